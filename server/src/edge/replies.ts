// The edge's own answers: which status, what happened, and what the owner should do next, for browsers and programs.
import type { HeaderList } from '@pbt/proto'

/** Why the edge itself answers: the value of the `pbt-error` field. */
export type ReplyCode =
  | 'bad-request'
  | 'unknown-host'
  | 'paused'
  | 'offline'
  | 'not-allowed'
  | 'target-unreachable'
  | 'target-broke'
  | 'target-timeout'
  | 'link-lost'
  | 'misdirected'
  | 'limited'
  | 'overloaded'

/** Who can do something about it: the visitor, the owner of this server, or the owner of the service behind it. */
type Party = 'visitor' | 'server' | 'service'

interface Wording {
  readonly status: number
  readonly title: string
  /** Whose fault it is, and what the visitor can do: plain sentences for people who know nothing of tunnels. */
  readonly text: string
  readonly party: Party
  /** What the owner should do. */
  readonly cure: string
}

const WORDING: Readonly<Record<ReplyCode, Wording>> = {
  'bad-request': {
    status: 400,
    title: 'This request cannot be passed on',
    text: 'The program that sent it made a mistake, or was too slow. Nothing is wrong with this server or the service behind it.',
    party: 'visitor',
    cure: 'If the program is yours, correct what it sends: a proxy cannot pass on what two servers could read in two ways.',
  },
  'unknown-host': {
    status: 404,
    title: 'There is nothing at this address',
    text: 'The server works, but no service has this name. Check the address for typing mistakes, or ask the person who gave it to you.',
    party: 'visitor',
    cure: 'Open a tunnel with this name, for example: pbt http 3000 --domain <name>.',
  },
  paused: {
    status: 503,
    title: 'This service is taking a break',
    text: 'The server works, but the owner of the service lets nobody in at the moment. This is not your fault: try again later.',
    party: 'service',
    cure: 'You have paused it: "pbt-server tunnel resume <name>" lets visitors in again.',
  },
  offline: {
    status: 503,
    title: 'This service is offline',
    text: 'The server works, but the machine that the service runs on is not connected to it. This is not your fault: try again later.',
    party: 'service',
    cure: 'Start pbt on that machine, or look at what "pbt status" says there. The address is kept for you.',
  },
  'not-allowed': {
    status: 403,
    title: 'You may not visit this address',
    text: 'Its owner lets in visitors from certain networks only, and yours is none of them. Ask the owner if you should be let in.',
    party: 'visitor',
    cure: "Let the visitor in with: pbt-server allow <address> --add <the visitor's address>.",
  },
  'target-unreachable': {
    status: 502,
    title: 'This service does not respond',
    text: 'The server and the machine behind it work, but the service on that machine cannot be reached. This is not your fault: try again later.',
    party: 'service',
    cure: 'Start the service, or correct the target that pbt was given. The terminal of pbt shows the reason.',
  },
  'target-broke': {
    status: 502,
    title: 'This service gave no valid response',
    text: 'The service behind this address closed the connection unexpectedly, or sent what is not a valid response. This is not your fault: try again later.',
    party: 'service',
    cure: 'Look at the log of the service. The terminal of pbt shows the reason.',
  },
  'target-timeout': {
    status: 504,
    title: 'This service took too long',
    text: 'The service behind this address did not respond in time. This is not your fault: try again later.',
    party: 'service',
    cure: 'Look at what the service is busy with, or raise response-timeout-seconds of the server.',
  },
  'link-lost': {
    status: 502,
    title: 'The connection to this service was lost',
    text: 'The machine that the service runs on was cut off while it had your request, which may have been carried out or not. This is not your fault: check whether it was before you send it again.',
    party: 'service',
    cure: 'If it happens again, look at the network of that machine and at what pbt says there.',
  },
  misdirected: {
    status: 421,
    title: 'This connection is for another address',
    text: 'Your browser or program used a connection that was made for another name. Load the page again.',
    party: 'visitor',
    cure: 'If a proxy is in front of the server, let it pass on the server name (SNI) that the visitor asked for.',
  },
  limited: {
    status: 429,
    title: 'Too many requests',
    text: 'More comes from your network than this server takes from one visitor. Wait a little and try again.',
    party: 'visitor',
    cure: 'If it is too few, raise connections-per-address or new-connections-per-second of the server.',
  },
  overloaded: {
    status: 503,
    title: 'This server is busy',
    text: 'It has all the visitors that it can serve at the moment. This is not your fault: wait a little and try again.',
    party: 'server',
    cure: 'Give the server more memory or descriptors (memory-limit-megabytes, LimitNOFILE), or pbt more descriptors (ulimit -n); docs/limits.md tells what uses them.',
  },
}

/** How the part for the owner begins. */
const FOR_OWNER: Readonly<Record<Party, string>> = {
  visitor: 'If this server is yours',
  server: 'If this server is yours',
  service: 'If this service is yours',
}

/** Every code that the edge answers with. */
export const REPLY_CODES = Object.keys(WORDING) as readonly ReplyCode[]

/** What connections over a limit are told. */
export const TURNED_AWAY_DETAIL = {
  limited: 'there are too many connections from your address, or they come too fast',
  overloaded: 'there are too many connections, or the memory of the server is short',
} satisfies Partial<Record<ReplyCode, string>>

/** Codes after which trying again makes sense, with the wait in seconds. */
const RETRY_SECONDS: Partial<Record<ReplyCode, number>> = { paused: 60, offline: 10, limited: 10, overloaded: 5 }

/** The status that goes with a code. */
export function statusOf(code: ReplyCode): number {
  return WORDING[code].status
}

/** A whole response, ready to be sent. */
export interface Reply {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
}

/** What one response says besides its code's own text. */
export interface ReplyOptions {
  /**
   * What exactly was wrong, in words of this server: strangers read it. What a client or its target says is for the owner alone, who
   * finds it in the terminal of pbt: it names addresses of their network.
   */
  readonly detail?: string
  /** The visitor's Accept field. */
  readonly accept?: string | undefined
  /** Instead of the code's own, for refusals with a more exact one. */
  readonly status?: number
  readonly retryAfterSeconds?: number
}

/** The answer for a code, in the form the visitor reads. */
export function replyFor(code: ReplyCode, options: ReplyOptions = {}): Reply {
  const wording = WORDING[code]
  const status = options.status ?? wording.status
  const detail = (options.detail ?? '').slice(0, 500)
  const { type, text } = render({ ...wording, code, status, detail }, options.accept ?? '')
  const body = Buffer.from(text)
  const headers: HeaderList = ['content-type', type, 'content-length', String(body.length), 'pbt-error', code]
  headers.push('cache-control', 'no-store', 'x-content-type-options', 'nosniff')
  const retry = options.retryAfterSeconds ?? RETRY_SECONDS[code]
  if (retry !== undefined) headers.push('retry-after', String(retry))
  if (type.startsWith('text/html'))
    headers.push('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
  return { status, headers, body }
}

interface Told extends Wording {
  readonly code: ReplyCode
  readonly detail: string
}

function render(told: Told, accept: string): { type: string; text: string } {
  if (accept.includes('text/html')) return { type: 'text/html; charset=utf-8', text: page(told) }
  const { code: error, status, title, text, detail, party, cure } = told
  if (accept.includes('json')) {
    return {
      type: 'application/json',
      text: `${JSON.stringify({ error, status, title, message: text, detail, cure })}\n`,
    }
  }
  const lines = [`${title}.`, text, ...(detail === '' ? [] : [sentenceOf(detail)])]
  return {
    type: 'text/plain; charset=utf-8',
    text: `${lines.join('\n')}\n${FOR_OWNER[party]}: ${cure}\n(pbt-error: ${error})\n`,
  }
}

function page({ code, status, title, text, detail, party, cure }: Told): string {
  const exact = detail === '' ? '' : `<p>${escapeHtml(sentenceOf(detail))}</p>\n`
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>
:root { color-scheme: light dark }
body { font: 17px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 16vh auto 0; padding: 0 1.5rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem }
p { margin: .5rem 0 }
details { margin-top: 2rem; font-size: .9rem; opacity: .8 } summary { cursor: pointer }
code { font-size: .85rem }
</style>
<h1>${title}</h1>
<p>${escapeHtml(text)}</p>
${party === 'visitor' ? exact : ''}<details><summary>${FOR_OWNER[party]}</summary>
${party === 'visitor' ? '' : exact}<p>${escapeHtml(cure)}</p>
<p><code>${status} pbt-error: ${code}</code></p></details>
</html>
`
}

/** What reads after a colon, as a sentence. */
function sentenceOf(detail: string): string {
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
