// What a try that brought no certificate is in words: what happened, what to do, and what it says of the CA.
import { cureForCa } from './ca-cure.ts'
import type { KeptDomain, Problem } from './records.ts'
import type { Check, DnsRecord, IssueFailure } from './types.ts'

/** What the CA is cannot be read. */
export function unreadable(error: unknown): IssueFailure {
  const message = `acme-ca cannot be read: ${error instanceof Error ? error.message : String(error)}`
  const failure = { code: 'unreachable', type: '', message, stage: 'directory', name: '' } as const
  return { isIssued: false, ...failure, retryAfterMs: undefined, pausedLink: '' }
}

/** Ours: it was not done in time, its process broke, or it was stopped. */
export function unfinished(code: 'timeout' | 'process' | 'stopped', message: string, stage: string): IssueFailure {
  const none = { isIssued: false, type: '', name: '', retryAfterMs: undefined, pausedLink: '' } as const
  return { ...none, code, message: message.slice(0, 1_000), stage }
}

/** Whether the CA has certainly issued nothing. */
export function isDecided({ code, stage, type }: IssueFailure): boolean {
  if (stage === 'certificate') return false
  return stage !== 'finalize' || (code === 'ca' && !['', 'serverInternal', 'rateLimited'].includes(type))
}

/** The whole CA wants to be left alone, not only about these names: the words of Boulder tell its limits apart. */
export function isAboutAll({ stage, type, message, pausedLink }: IssueFailure): boolean {
  if (pausedLink !== '') return false
  if (type === '' || type === 'serverInternal' || /^(directory|newAccount)$/.test(stage)) return true
  return type === 'rateLimited' && !/exact set|already issued|failed authorizations/i.test(message)
}

/** What the owner is told of a refusal. */
export function problemIn({ code, type, message, name, pausedLink }: IssueFailure): Problem {
  const about = name === '' || message.includes(name) ? '' : `${name}: `
  if (pausedLink !== '') {
    const cure = 'open the link once, then try again with "pbt-server domain retry"'
    return {
      type: type || 'paused',
      message: `the CA has paused ${name || 'these names'} after many failures: ${message}`,
      cure,
      link: pausedLink,
    }
  }
  return { type: type || code, message: `${about}${message}`, cure: cureFor({ code, type, message }), link: '' }
}

function cureFor({ code, type, message }: Pick<IssueFailure, 'code' | 'type' | 'message'>): string {
  if (code === 'unreachable')
    return 'it is tried again by itself; look at acme-directory, acme-ca and the network of this machine if it lasts'
  if (code === 'process') return 'it is tried again by itself; the log of pbt-server has more'
  return cureForCa({ type, message })
}

/** `freeAt`: when the CA's limit lets the next order through, Unix ms. */
export function limitProblem({ names }: KeptDomain, freeAt: number): Problem {
  const when = new Date(freeAt).toISOString()
  return {
    type: 'limits',
    message: `5 certificates for exactly these names (${names.join(', ')}) in 7 days, the most that the CA issues; the next try is ${when}`,
    cure: 'if the data directory was lost, restore a backup instead of starting anew',
    link: '',
  }
}

/** What to do about an obstacle, with the record to create. */
export function cureOf({ cure, record }: Check): string {
  if (record === undefined || cure.includes(recordText(record))) return cure
  return `create ${recordText(record)}${cure === '' ? '' : ` (${cure})`}`
}

/** As zone files have it. */
function recordText({ name, type, value }: DnsRecord): string {
  return `${name} ${type} ${value}`
}
