// The only place that writes to stdout: JSON lines for programs, or words that say what to do next.
import type { Outlet } from '../../../launch/outlet.ts'
import { sentenceOf } from '../config/config.ts'
import type { FailureCode } from '../failure.ts'
import { domainAdded, domainRetried, domainsText } from './domain-text.ts'
import type { AddressItem, CheckItem, Ready, ServerEvent, ServerList, TokenItem, TunnelItem } from './events.ts'
import { recordText } from './record-text.ts'
import { table, timeText } from './table.ts'

/** Writes one event or one list. */
export type Output = (told: ServerEvent | ServerList) => void

/** `stdout` has the results; errors in words, for people, go to `stderr`. */
export interface OutputStreams {
  readonly stdout: Outlet
  readonly stderr: Outlet
}

/** One JSON object a line on stdout. */
export function jsonOutput({ stdout }: OutputStreams): Output {
  const write = (event: string, fields: object) => {
    stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`)
  }
  return told => {
    if ('list' in told) for (const item of told.items) write(told.list === 'allowlist' ? 'address' : told.list, item)
    else {
      const { event, ...fields } = told
      write(event, fields)
    }
  }
}

const VERDICTS: ReadonlySet<string> = new Set(['unhealthy', 'not-reachable'] satisfies FailureCode[])

/** For people: errors go to stderr. */
export function plainOutput({ stdout, stderr }: OutputStreams): Output {
  const columns = stdout.isTTY ? stdout.columns : undefined
  return told => {
    const isError = 'event' in told && told.event === 'error'
    // A verdict, which its list has told.
    if (isError && VERDICTS.has(told.code)) return
    const text = 'list' in told ? listText(told, columns) : textOf(told)
    if (text !== '') (isError ? stderr : stdout).say(`${text}\n`)
  }
}

function textOf(event: ServerEvent): string {
  switch (event.event) {
    case 'initialised':
      return initialisedText(event)
    case 'ready':
      return readyText(event)
    case 'rotated':
      return `The new token, shown only this once:

  ${event.token}

${rotatedText(event)}`
    case 'revoked':
      return `token ${event.id} has ended`
    case 'reserved':
      return `${event.address} is reserved for a tunnel that asks for it by name`
    case 'released':
      return `${event.address} is released${event.isExpected && event.tunnel !== undefined ? `, the tunnel "${event.tunnel}" loses it` : ''}`
    case 'mapped':
      return mappedText(event)
    case 'noted':
      return event.note === undefined ? `${event.address} has no note` : `${event.address}: ${event.note}`
    case 'domain-added':
      return domainAdded(event)
    case 'domain-retried':
      return domainRetried(event)
    case 'domain-removed':
      return `${event.domain} is removed: its certificate is no longer served or renewed`
    case 'check':
      return checkText(event)
    case 'login':
      return `Open this within a minute, in a browser; it works once:\n  ${event.url}`
    case 'skipped':
      return `… ${event.records} came too fast to be shown`
    case 'killed':
      return `${event.tunnel} is ended${event.cut === 0 ? '' : `, ${event.cut} connection${event.cut === 1 ? ' was' : 's were'} cut`}; it stays down until its command is run again or "pbt-server tunnel start ${event.tunnel}"`
    case 'started':
      return event.isOpening
        ? `${event.tunnel} is opened by ${event.client}`
        : `${event.tunnel} may come back: run its command on the machine that serves it`
    case 'paused':
      return `${event.tunnel} is paused: visitors are turned away until "pbt-server tunnel resume ${event.tunnel}"`
    case 'unpaused':
      return `${event.tunnel} lets visitors in again`
    case 'backed-up':
      return backedUpText(event)
    case 'restored':
      return restoredText(event)
    case 'stopping':
      return 'pbt-server: stopping; requests in flight may finish (again to stop at once)'
    case 'stopped':
      return 'pbt-server: stopped'
    case 'error':
      return errorText(event)
  }
}

type EventOf<Name extends ServerEvent['event']> = Extract<ServerEvent, { event: Name }>

function initialisedText({ dataDir, token, next }: EventOf<'initialised'>): string {
  return `pbt-server is set up in ${dataDir}

Your token, shown only this once:

  ${token}

Next: ${next}`
}

function readyText({ baseDomain, ca, publicAddress, ...ports }: Ready): string {
  const [https, http] = [ports.publicHttps ?? ports.https, ports.publicHttp ?? ports.http]
  const authority = ca === undefined ? '' : ` --ca ${ca}`
  const lines = [
    `pbt-server is ready: tunnels appear as https://<name>.${baseDomain}${https === 443 ? '' : `:${https}`}`,
    '',
    'On the machine with your service:',
    `  pbt init --server ${baseDomain}:${https}${authority}`,
    '  pbt tunnel http 3000 --domain myapp',
  ]
  if (ca !== undefined) {
    lines.push('', `Without certificates: http://<name>.${baseDomain}:${http}`, `For browsers and curl: ${ca}`)
  } else if (publicAddress !== undefined && publicAddress.length > 0) {
    lines.push('', 'DNS records for it:')
    for (const address of publicAddress) {
      const type = address.includes(':') ? 'AAAA' : 'A'
      lines.push(`  ${baseDomain}. ${type} ${address}`, `  *.${baseDomain}. ${type} ${address}`)
    }
  }
  return lines.join('\n')
}

function mappedText({ address, tunnel, isMapped }: AddressItem): string {
  return tunnel === undefined || isMapped !== true
    ? `${address} is reserved, and assigned to no tunnel`
    : `${address} now leads to the tunnel "${tunnel}"`
}

function backedUpText({ file, files, bytes, skipped }: EventOf<'backed-up'>): string {
  const others = skipped.length === 0 ? '' : `\nNot in it, because they are none of pbt-server's: ${skipped.join(', ')}`
  return `${file}: ${files} files, ${bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`}. Keep it safe: it has the private keys.${others}`
}

function errorText({ message, problems, cure }: EventOf<'error'>): string {
  const said = problems === undefined ? [message] : problems.map(sentenceOf)
  const toDo = cure === '' ? [] : [`to do: ${cure}`]
  return [`pbt-server: error: ${said.join('\n  ')}`, ...toDo].join('\n  ')
}

function restoredText(event: EventOf<'restored'>): string {
  const { dataDir, version, madeAt, baseDomain, replaced, settings, settingsFrom, next } = event
  const lines = [`${dataDir} is restored: ${baseDomain}, as it was ${timeText(madeAt)} (pbt-server ${version})`]
  if (replaced !== undefined) lines.push(`What was there before is kept in ${replaced}`)
  if (settings !== undefined) lines.push(...settingsLines(settings, settingsFrom))
  return [...lines, `Next: ${next}, or start its unit`].join('\n')
}

/** A new machine may have other addresses, so that whoever restores decides. */
function settingsLines(settings: string, from: EventOf<'restored'>['settingsFrom']): string[] {
  const other = from.filter(({ isSame }) => !isSame)
  if (other.length === 0) return ['The settings of this machine are those of the backup']
  const copies = other.map(
    ({ name, from }) =>
      `  sudo install -D -m 0640 -g pbt-server ${settings}${name.slice(name.indexOf('/'))} ${quoted(from)}`,
  )
  return [
    'The settings of this machine stay. To take those of the backup, where they differ (look at public-address):',
    ...copies,
  ]
}

/** For a shell. It stood in a file that may be anybody's. */
function quoted(path: string): string {
  if (/^[\w./@+-]+$/.test(path)) return path
  return `'${path.replace(/\p{C}/gu, '?').replaceAll("'", "'\\''")}'`
}

function listText(list: ServerList, columns: number | undefined): string {
  if (list.list === 'token') return tokensText(list.items, columns)
  if (list.list === 'record') return list.items.map(recordText).join('\n')
  if (list.list === 'tunnel') return tunnelsText(list.items, columns)
  if (list.list === 'check') return checksText(list.items, list.verdict)
  if (list.list === 'domain') return domainsText(list.items, list.offReason, columns)
  if (list.list === 'address') return addressesText(list.items, columns)
  if (list.items.length === 0) return 'no allowlist is set here: --allow of the client applies'
  return list.items.map(item => `${item.address}: ${visitorsText(item)}`).join('\n')
}

function rotatedText({ endsAt, told }: EventOf<'rotated'>): string {
  if (endsAt === undefined) return 'The previous one has ended. On each machine with tunnels: pbt init -'
  const who =
    told.length === 0
      ? 'No client is connected, so none was sent the new one.'
      : `These are sent the new one now: ${told.join(', ')} ("pbt-server token list" shows who has which).`
  return `The previous one is valid until ${timeText(endsAt)}; clients that connect until then get the new one automatically.
${who} On all others: pbt init -`
}

function tokensText(tokens: readonly TokenItem[], columns: number | undefined): string {
  const rows = tokens.map(({ id, label, state, createdAt, lastUsedAt, endsAt, clients }) => {
    const stateText = endsAt === undefined ? state : `${state === 'ended' ? 'ended' : 'ends'} ${timeText(endsAt)}`
    return [
      String(id),
      label,
      timeText(createdAt),
      lastUsedAt === undefined ? 'never' : timeText(lastUsedAt),
      stateText,
      clients.join(', '),
    ]
  })
  return table([['ID', 'LABEL', 'MADE', 'LAST USED', 'STATE', 'IN USE BY'], ...rows], columns)
}

const MARKS = { ok: 'ok', failed: 'FAILED', 'not-checked': '-' } as const
/** Of checks that come one by one: as wide as the longest name of theirs. */
const STEP_COLUMNS = 10

/** One that is told as it comes, with its cure below it. */
function checkText({ step, state, message, cure }: CheckItem): string {
  const mark = MARKS[state].padEnd(MARKS.failed.length)
  const text = `${mark}  ${step.padEnd(STEP_COLUMNS)}  ${message}`
  return cure === undefined ? text : `${text}\n${' '.repeat(MARKS.failed.length)}  to do: ${cure}`
}

function checksText(checks: readonly CheckItem[], verdict: string): string {
  if (checks.length === 0) return `\n${verdict}`
  const rows = checks.map(({ step, state, message }) => [MARKS[state], step, message])
  const told = checks.filter(({ cure }) => cure !== undefined)
  const cures = told.map(({ step, cure }) => (told.length === 1 ? `  ${cure}` : `  ${step}: ${cure}`))
  return [table(rows), '', verdict, ...cures].join('\n')
}

function tunnelsText(tunnels: readonly TunnelItem[], columns: number | undefined): string {
  if (tunnels.length === 0) return 'there is no tunnel yet: "pbt http 3000" on a machine with a service opens one'
  const rows = tunnels.map(({ tunnel, state, since, urls, waiting, target, client, open, reason }) => {
    const where = [...urls, ...waiting.map(({ url, reason }) => `${url} (${reason})`)].join(' ')
    const stateText = since === undefined ? state : `${state} since ${timeText(since)}`
    return [tunnel, stateText, String(open), `${target} on ${client || '-'}`, where, reason]
  })
  return table([['TUNNEL', 'STATE', 'OPEN', 'SERVED BY', 'ADDRESSES', 'WHY'], ...rows], columns)
}

function addressesText(addresses: readonly AddressItem[], columns: number | undefined): string {
  if (addresses.length === 0) return 'no address is kept yet: the first tunnel gets one'
  const rows = addresses.map(item => {
    const { address, tunnel = '-', target = '-', isExpected, lastUsedAt } = item
    const used = isExpected ? 'in use' : lastUsedAt === undefined ? 'never' : timeText(lastUsedAt)
    return [address, tunnel, target, used, visitorsText(item)]
  })
  return table([['ADDRESS', 'TUNNEL', 'TARGET', 'LAST USED', 'WHO MAY VISIT'], ...rows], columns)
}

function visitorsText({ access, allow, tunnel }: AddressItem): string {
  if (access === 'everybody') return 'everybody'
  if (access === 'listed') return allow.length === 0 ? 'nobody' : allow.join(' ')
  if (tunnel === undefined) return 'as its client says'
  return `${allow.length === 0 ? 'everybody' : allow.join(' ')} (as its client says)`
}
