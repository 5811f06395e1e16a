// What is looked for in the access log: checked, and held against records wherever they are, in the database or as they come.
import { PbtError } from '@pbt/proto'
import { oneBlock } from '../access/one-block.ts'
import { Failure } from '../failure.ts'
import type { SoughtFields } from '../observe/access-record.ts'

/** Everything that is given has to fit; what is not given, or empty, fits all. */
export interface RecordFilter {
  /** Its name; empty: for none. */
  readonly tunnel?: string
  readonly kinds?: readonly string[]
  /** 2 for 200 to 299, 404 for that one alone. */
  readonly statuses?: readonly number[]
  /** An address, or a block of them such as 203.0.113.0/24. */
  readonly peer?: string
  /** Part of the tunnel's name, or of method and path; capitals are as small letters. */
  readonly text?: string
  /** Only those that were refused or incomplete. */
  readonly hasReason?: boolean
}

/** The kinds of records that a filter may ask for. */
export const ACCESS_KINDS: readonly string[] = ['http', 'websocket', 'upgrade', 'tcp', 'udp']
/** Longer ones are in no record. */
const MAX_TEXT_CHARS = 300
/** Statuses and their classes. */
const CLASS_SIZE = 100
const [FIRST_CLASS, LAST_CLASS] = [1, 5]

/** A filter ready for use. */
export interface Matcher {
  /** False: none of these lines is of a record that fits. True says nothing. */
  mayBeIn(lines: string): boolean
  fits(record: SoughtFields): boolean
}

/** What is wrong with a filter, by field; nothing: it can be used. */
export function wrongIn(filter: RecordFilter): { readonly field: keyof RecordFilter; readonly why: string }[] {
  const { kinds = [], statuses = [], peer = '', text = '' } = filter
  const wrong: { field: keyof RecordFilter; why: string }[] = []
  const oddKind = kinds.find(kind => !ACCESS_KINDS.includes(kind))
  if (oddKind !== undefined) {
    wrong.push({ field: 'kinds', why: `"${oddKind.slice(0, 40)}" is not one of ${ACCESS_KINDS.join(', ')}` })
  }
  const oddStatus = statuses.find(status => !isStatus(status))
  if (oddStatus !== undefined) {
    wrong.push({ field: 'statuses', why: `${oddStatus} is neither a status (200) nor a status class (2)` })
  }
  if (peer !== '' && blockOf(peer) === undefined) {
    wrong.push({ field: 'peer', why: 'it is neither an address nor a block such as 203.0.113.0/24' })
  }
  if (text.length > MAX_TEXT_CHARS) wrong.push({ field: 'text', why: `it is longer than ${MAX_TEXT_CHARS} characters` })
  return wrong
}

/** Throws Failure `usage` for a filter that cannot be used. */
export function matcherOf(filter: RecordFilter): Matcher {
  const [wrong] = wrongIn(filter)
  if (wrong !== undefined) {
    throw new Failure('usage', `the filter "${wrong.field}" cannot be used: ${wrong.why}`, {
      cure: 'see "pbt-server log --help"',
    })
  }
  const { tunnel, kinds = [], statuses = [], peer = '', hasReason = false } = filter
  const text = (filter.text ?? '').toLowerCase()
  const isFrom = peer === '' ? undefined : blockOf(peer)
  return {
    mayBeIn: lines => text === '' || lines.toLowerCase().includes(text),
    fits: record =>
      (tunnel === undefined || record.tunnel === tunnel) &&
      (kinds.length === 0 || kinds.includes(record.kind)) &&
      (statuses.length === 0 || statuses.some(status => isOf(record.status, status))) &&
      (!hasReason || record.reason !== '') &&
      (text === '' || [record.summary, record.tunnel].some(field => field.toLowerCase().includes(text))) &&
      (isFrom === undefined || isFrom(record.visitor)),
  }
}

function isStatus(status: number): boolean {
  const size = status < CLASS_SIZE ? 1 : CLASS_SIZE
  return Number.isInteger(status) && status >= FIRST_CLASS * size && status < (LAST_CLASS + 1) * size
}

function isOf(status: number, wanted: number): boolean {
  return wanted < CLASS_SIZE ? Math.floor(status / CLASS_SIZE) === wanted : status === wanted
}

function blockOf(peer: string): ((address: string) => boolean) | undefined {
  try {
    return oneBlock(peer)
  } catch (error) {
    if (error instanceof PbtError) return undefined
    throw error
  }
}
