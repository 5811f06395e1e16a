// The edge's own answers: which status, what happened, and what the owner should do next, for browsers and programs.
import type { HeaderList } from '@pbt/proto'

export type ReplyCode =
  | 'bad-request'
  | 'unknown-host'
  | 'offline'
  | 'not-allowed'
  | 'target-unreachable'
  | 'target-broke'
  | 'target-timeout'
  | 'link-lost'
  | 'misdirected'
  | 'limited'
  | 'overloaded'

interface Wording {
  readonly status: number
  readonly title: string
  readonly cure: string
}

const WORDING: Readonly<Record<ReplyCode, Wording>> = {
  'bad-request': {
    status: 400,
    title: 'This request cannot be forwarded',
    cure: 'Correct the request: a proxy cannot pass on what two servers could read in two ways.',
  },
  'unknown-host': {
    status: 404,
    title: 'There is no tunnel here',
    cure: 'If this is your server, open one: pbt tunnel http 3000 --domain <name>.',
  },
  offline: {
    status: 503,
    title: 'This tunnel is offline',
    cure: 'If it is yours, start pbt on the machine that serves it; the name is kept for you.',
  },
  'not-allowed': {
    status: 403,
    title: 'Your address may not visit this tunnel',
    cure: 'If it is yours, add the address to its allowlist.',
  },
  'target-unreachable': {
    status: 502,
    title: 'The service behind this tunnel does not answer',
    cure: 'If it is yours, start the service, or check the target that pbt was given.',
  },
  'target-broke': {
    status: 502,
    title: 'The service behind this tunnel broke off',
    cure: 'If it is yours, look at the log of the service.',
  },
  'target-timeout': {
    status: 504,
    title: 'The service behind this tunnel took too long',
    cure: 'If it is yours, look at what the service is busy with.',
  },
  'link-lost': {
    status: 502,
    title: 'The connection to this tunnel was lost',
    cure: 'Try again. If the tunnel is yours and this stays, look at pbt on the machine that serves it.',
  },
  misdirected: {
    status: 421,
    title: 'This connection is for another name',
    cure: 'Try again on a new connection.',
  },
  limited: { status: 429, title: 'Too many requests', cure: 'Wait a little and try again.' },
  overloaded: { status: 503, title: 'The server is at its limit', cure: 'Wait a little and try again.' },
}

/** Every code that the edge answers with. */
export const REPLY_CODES = Object.keys(WORDING) as readonly ReplyCode[]

/** What connections over a limit are told. */
export const TURNED_AWAY_DETAIL = {
  limited: 'there are too many connections from your address, or they come too fast',
  overloaded: 'there are too many connections, or its memory is short',
} satisfies Partial<Record<ReplyCode, string>>

/** Codes after which trying again makes sense, with the wait in seconds. */
const RETRY_SECONDS: Partial<Record<ReplyCode, number>> = { offline: 10, limited: 10, overloaded: 5 }

/** The status that goes with a code. */
export function statusOf(code: ReplyCode): number {
  return WORDING[code].status
}

export interface Reply {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
}

export interface ReplyOptions {
  /** What exactly was wrong, for the one who reads; from outside, so it is escaped. */
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
  const { type, text } = render(code, status, wording, detail, options.accept ?? '')
  const body = Buffer.from(text)
  const headers: HeaderList = ['content-type', type, 'content-length', String(body.length), 'pbt-error', code]
  headers.push('cache-control', 'no-store', 'x-content-type-options', 'nosniff')
  const retry = options.retryAfterSeconds ?? RETRY_SECONDS[code]
  if (retry !== undefined) headers.push('retry-after', String(retry))
  if (type.startsWith('text/html'))
    headers.push('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
  return { status, headers, body }
}

function render(code: ReplyCode, status: number, { title, cure }: Wording, detail: string, accept: string) {
  if (accept.includes('text/html'))
    return { type: 'text/html; charset=utf-8', text: page(code, status, title, detail, cure) }
  if (accept.includes('json')) {
    return { type: 'application/json', text: `${JSON.stringify({ error: code, status, title, detail, cure })}\n` }
  }
  const because = detail === '' ? '' : `: ${detail}`
  return { type: 'text/plain; charset=utf-8', text: `${title}${because}.\n${cure}\n(pbt-error: ${code})\n` }
}

function page(code: string, status: number, title: string, detail: string, cure: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<style>
:root { color-scheme: light dark }
body { font: 17px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 16vh auto 0; padding: 0 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem }
p { margin: .5rem 0 } .detail { opacity: .8 }
code { font-size: .85rem; opacity: .65 }
</style>
<h1>${title}</h1>
${detail === '' ? '' : `<p class="detail">${escapeHtml(detail)}</p>\n`}<p>${escapeHtml(cure)}</p>
<p><code>${status} pbt-error: ${code}</code></p>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
