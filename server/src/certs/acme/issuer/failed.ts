// Why an issuance failed, as an error on its way to the one who asked for it; and what a CA's problem document says of that.
import type { IssueFailure } from '../types.ts'
import { asObject, asText, type CaAnswer, objectIn, retryAfterOf } from './answer.ts'

/** A failure to be told: `IssueFailure` without what all have. */
export interface Reason {
  readonly code: IssueFailure['code']
  readonly message: string
  readonly stage: string
  readonly type?: string
  readonly name?: string
  readonly retryAfterMs?: number | undefined
  readonly pausedLink?: string
}

/** Ends an issuance; nothing else does. */
export class Failed extends Error {
  readonly failure: IssueFailure
  /** Whether the same may go well in a moment. */
  readonly isPassing: boolean

  constructor(reason: Reason, isPassing = false) {
    super(reason.message)
    this.name = 'Failed'
    this.isPassing = isPassing
    this.failure = {
      isIssued: false,
      type: '',
      name: '',
      pausedLink: '',
      retryAfterMs: undefined,
      ...reason,
      message: cleanWords(reason.message),
    }
  }
}

const MAX_MESSAGE = 1_000
const ACME_ERROR = 'urn:ietf:params:acme:error:'

/** Text of strangers for people: no control characters, at most 1,000 characters. */
export function cleanWords(text: string): string {
  const plain = text.replace(/\p{C}+/gu, ' ').trim()
  return plain.length > MAX_MESSAGE ? `${plain.slice(0, MAX_MESSAGE - 1)}…` : plain
}

/** What an answer that is an error says. `names`: those of the order; `name`: the one that it is about, if that is known. */
export function failedAt(stage: string, answer: CaAnswer, names: readonly string[], name = ''): Failed {
  const problem = objectIn(answer.body)
  const retryAfterMs = retryAfterOf(answer)
  if (problem === undefined || (asText(problem.type) === '' && asText(problem.detail) === '')) {
    const message = `the CA answered ${answer.status}`
    return new Failed({ code: 'unreachable', stage, name, retryAfterMs, message }, answer.status >= 500)
  }
  return new Failed({ ...reasonIn(problem, names, name), stage, retryAfterMs }, answer.status >= 500)
}

/** What a problem document says (RFC 8555, 6.7), with its sub-problems. */
export function reasonIn(
  problem: Readonly<Record<string, unknown>>,
  names: readonly string[],
  name = '',
): Omit<Reason, 'stage'> {
  const type = asText(problem.type)
  const detail = asText(problem.detail) || `the CA gave no reason (${type || 'no type'})`
  const parts = (Array.isArray(problem.subproblems) ? problem.subproblems : []).slice(0, 25).flatMap(part => {
    const about = asObject(part)
    const value = asText(asObject(about?.identifier)?.value)
    return about !== undefined && names.includes(value) ? [{ value, detail: asText(about.detail) }] : []
  })
  return {
    code: 'ca',
    type: type.startsWith(ACME_ERROR) ? cleanWords(type.slice(ACME_ERROR.length)).slice(0, 100) : '',
    message: [detail, ...parts.map(part => `${part.value}: ${part.detail}`)].join('; '),
    name: name === '' && parts.length === 1 ? (parts[0]?.value ?? '') : name,
    pausedLink: pausedLinkIn(detail),
  }
}

/** Let's Encrypt pauses a name after many failures in a row, until its owner has followed a link (its page on rate limits). */
function pausedLinkIn(detail: string): string {
  if (!/unpause|prevented from requesting/.test(detail)) return ''
  const link = /https:\/\/[^\s"'<>\p{C}]+/u.exec(detail)?.[0] ?? ''
  return link.replace(/[.,;)]+$/, '')
}
