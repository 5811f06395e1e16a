// Events in words, one line each.
import type { OWN_CODES } from '../failure.ts'
import type { Allowlist, ClientEvent, Stopping } from '../tunnels/events.ts'
import type { RequestRecord } from '../tunnels/requests.ts'
import { plural } from './counts.ts'
import { formatDuration, safe } from './text.ts'

/** Safe to print. Errors have a second line with the cure. */
export function sentence(event: ClientEvent): string {
  switch (event.event) {
    case 'stored':
      return safe(
        event.replaced === undefined
          ? `${event.server} took the token; it is stored`
          : `${event.server} took the token; it is stored, in place of ${event.replaced}`,
      )
    case 'allowed':
      return safe(allowedText(event))
    case 'connected':
      return safe(`connected to ${event.server}`)
    case 'outdated':
      return safe(event.message) + cureLine(event.cure)
    case 'online':
      return safe(
        `online: ${event.urls.join(' ')} -> ${event.target}${event.allowlists?.length ? `, for ${visitorsText(event.allowlists)}` : ''}`,
      )
    case 'added':
      return safe(`added: ${event.kind} -> ${event.target}`)
    case 'removed':
      return safe(`removed ${event.tunnel}`)
    case 'waiting':
      return safe(`${event.url} is reserved, but ${event.reason} -> ${event.target}`) + cureLine(event.cure)
    case 'target':
      return safe(event.state === 'answers' ? `${event.target} takes connections again` : targetText(event))
    case 'reconnecting':
      return (
        safe(
          `${event.reason}; trying again ${event.retryInMs === 0 ? 'now' : `in ${formatDuration(event.retryInMs)}`}`,
        ) + cureLine(event.cure)
      )
    case 'resumed':
      return 'resumed: nothing was lost'
    case 'offline':
      return safe(`offline: ${event.reason}`)
    case 'stopping':
      return `stopping: ${stopText(event)}`
    case 'closed':
      return safe(`closed ${event.tunnel}: ${event.reason} (${event.code})`)
    case 'error': {
      const { target, message, code, retrying, cure } = event
      const about = target === undefined ? '' : `no tunnel to ${target}: `
      const next = retrying === true ? '; trying again' : ''
      if (MADE_HERE.has(code))
        return `error: ${lines(message)} (${code})${cure === '' ? '' : `\n  to do: ${lines(cure)}`}`
      return safe(`error: ${about}${message} (${code})${next}`) + cureLine(cure)
    }
  }
}

function targetText({ tunnel, target, reason }: Extract<ClientEvent, { event: 'target' }>): string {
  return tunnel === '' || tunnel === target ? reason : `${tunnel} does not work yet: ${reason}`
}

function allowedText({ blocks, addresses, everybody, until }: Extract<ClientEvent, { event: 'allowed' }>): string {
  const who = blocks.join(', ')
  const end = until === undefined ? '' : ` until ${until}`
  const open =
    everybody.length === 0 ? '' : `everybody may visit ${everybody.join(', ')} anyway; nothing was changed there`
  if (addresses.length === 0) return open
  return [`${who} may visit ${addresses.join(', ')}${end}`, open].filter(Boolean).join('; ')
}

/** Codes that no server can send: their words are of this program, and may have several lines. */
const MADE_HERE: ReadonlySet<string> = new Set(['usage', 'no-service'] satisfies (typeof OWN_CODES)[number][])

function lines(text: string): string {
  return text.split('\n').map(safe).join('\n  ')
}

function cureLine(cure: string): string {
  return cure === '' ? '' : `\n  to do: ${safe(cure)}`
}

/** Who may visit, in words: `everybody`, `nobody`, `only 203.0.113.0/24 and 3 more blocks`. */
export function visitorsText(allowlists: readonly Allowlist[]): string {
  if (allowlists.length === 0) return 'everybody'
  if (allowlists.some(({ blocks, more }) => blocks.length + more === 0)) return 'nobody'
  const lists = allowlists.map(({ blocks, more }) => {
    const rest = more === 0 ? '' : ` and ${plural(more, 'more block')}`
    return safe(blocks.join(', ')) + rest
  })
  return `only ${lists.join('; of those only ')}`
}

/** What a user who waits for the end wants to know. */
export function stopText({ open, limitMs }: Stopping): string {
  return `${open} request${open === 1 ? '' : 's'} or connection${open === 1 ? '' : 's'} may end within ${formatDuration(limitMs)}; a second signal ends at once`
}

/** What went wrong, in words; '' when nothing did. */
export function troubleOf({ fault, dropped }: RequestRecord): string {
  const drops = dropped === 0 ? '' : `${dropped} datagram${dropped === 1 ? '' : 's'} dropped`
  return fault === '' || drops === '' ? fault + drops : `${fault}, ${drops}`
}
