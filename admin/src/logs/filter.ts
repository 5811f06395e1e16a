// The filter field of the log: tokens such as tunnel:app and words; - before one leaves out what it names. No network.
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Record as LogRecord, RecordFilterSchema } from '@pbt/proto/admin/v1'
import { asciiName } from '../words/idn.ts'

/** What a text asks for. */
export interface Filter {
  /** For the server. */
  readonly asked: MessageInitShape<typeof RecordFilterSchema>
  /** What the server cannot ask for is judged here, record by record; undefined: nothing is. */
  readonly judge: ((record: LogRecord) => boolean) | undefined
  /** Tokens that mean nothing, for people. */
  readonly wrong: readonly string[]
  /** Nothing but a tunnel, and how it ended, is asked for: then the figures by minute say the same. */
  readonly isOfTunnel: boolean
}

type Judge = (record: LogRecord) => boolean

const KINDS = new Set(['http', 'websocket', 'upgrade', 'tcp', 'udp'])
/** What pbt turns away before the target is asked. */
export const REFUSED: ReadonlySet<string> = new Set(['not-allowed', 'paused', 'limited', 'offline', 'unknown-host'])
/** What the server takes; a beginning of an address is judged here. */
const WHOLE_PEER = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]*:[\da-f:.]*)(?:\/\d{1,3})?$/i
/** Turned away, and broken off or answered with 5xx. */
export const ENDINGS = { refused: 'answer:refused', failed: 'answer:failed' } as const
const TOKEN = /^(-?)(tunnel|from|answer|host|kind):(.+)$/

/** One of `ENDINGS`. */
export function isEnding(token: string): boolean {
  return token === ENDINGS.refused || token === ENDINGS.failed
}

/** Words and tokens, as they stand in the field. */
export function tokensOf(text: string): string[] {
  return text.split(/\s+/).filter(token => token !== '')
}

export function filterOf(text: string): Filter {
  const asked = { tunnel: '', kinds: [] as string[], statuses: [] as number[], peer: '', text: '', withReason: false }
  const judges: Judge[] = []
  const wrong: string[] = []
  for (const token of tokensOf(text)) {
    const [, minus = '', key = '', typed = ''] = TOKEN.exec(token) ?? []
    const value = key === 'tunnel' ? asciiName(typed) : typed
    const isOut = minus === '-' || (key === '' && token.length > 1 && token.startsWith('-'))
    const judge = judgeOf(key, key === '' ? token.replace(/^-/, '') : value)
    if (judge === undefined) {
      wrong.push(token)
      continue
    }
    if (isOut) judges.push(record => !judge(record))
    else if (!ask(asked, key, key === '' ? token : value)) judges.push(judge)
  }
  const others = tokensOf(text).filter(token => !isEnding(token))
  const isOfTunnel = others.length <= 1 && others.every(token => token.startsWith('tunnel:')) && wrong.length === 0
  return {
    asked,
    judge: judges.length === 0 ? undefined : record => judges.every(judge => judge(record)),
    wrong,
    isOfTunnel,
  }
}

/** Puts it into the server's question; false where that cannot ask for it, or asks for another one already. */
function ask(asked: Asked, key: string, value: string): boolean {
  if (key === 'tunnel' && asked.tunnel === '') asked.tunnel = value
  else if (key === 'from' && asked.peer === '' && WHOLE_PEER.test(value)) asked.peer = value
  else if (key === 'kind') asked.kinds.push(value)
  else if (key === 'answer' && /^\d/.test(value)) asked.statuses.push(statusOf(value))
  else if (key === 'answer') {
    // What failed may have been answered, with 500.
    if (value !== 'failed') asked.withReason = true
    return false
  } else if ((key === '' || key === 'host') && asked.text === '') asked.text = value
  else return false
  return true
}

interface Asked {
  tunnel: string
  kinds: string[]
  statuses: number[]
  peer: string
  text: string
  withReason: boolean
}

/** Undefined: the value means nothing. */
function judgeOf(key: string, value: string): Judge | undefined {
  const small = value.toLowerCase()
  switch (key) {
    case 'tunnel':
      return ({ tunnel }) => tunnel === value
    case 'from':
      return ({ peer }) => peer === value || peer.startsWith(value)
    case 'kind':
      return KINDS.has(small) ? ({ kind }) => kind === small : undefined
    case 'answer':
      return answerJudge(small)
    default:
      return ({ summary, tunnel }) => [summary, tunnel].some(field => field.toLowerCase().includes(small))
  }
}

function answerJudge(value: string): Judge | undefined {
  if (/^\d/.test(value)) {
    const wanted = statusOf(value)
    if (Number.isNaN(wanted)) return undefined
    return ({ status }) => status === wanted || Math.floor(status / 100) === wanted
  }
  if (value === 'failed') return ({ reason, status }) => !REFUSED.has(reason) && (reason !== '' || status >= 500)
  return value === 'refused' ? ({ reason }) => REFUSED.has(reason) : ({ reason }) => reason === value
}

/** 404, 4xx or 4. */
function statusOf(value: string): number {
  return /^[1-5]xx$/.test(value)
    ? Number(value.charAt(0))
    : /^(?:[1-5]|[1-5]\d\d)$/.test(value)
      ? Number(value)
      : Number.NaN
}
