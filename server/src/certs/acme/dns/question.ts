// What a DNS query asks, read from its bytes: whatever a stranger sends is either a question, a mistake to tell, or nothing to answer.
import { decode } from 'dns-packet'

/** RFC 1035 section 4.1.1. */
export const HEADER_BYTES = 12
/** RFC 1035 section 2.3.4. */
const MAX_NAME_BYTES = 255
const MAX_LABEL_BYTES = 63
/** Longer than any honest query; it also bounds what the pointers of a hostile one can cost. */
export const MAX_QUERY_BYTES = 1_232
/** OPT and TSIG are two. */
const MAX_ADDITIONALS = 4
/** IXFR (RFC 1995 section 3) shows its version as an authority; it is read so that it can be refused. */
const MAX_AUTHORITIES = 1
const RESPONSE_BIT = 0x80
const OPT_TYPE = 'OPT'

/** EDNS of a query (RFC 6891). */
export interface Edns {
  readonly version: number
  /** The largest answer over UDP that the asker takes, bytes. */
  readonly udpBytes: number
  /** DO (RFC 3225), which answers repeat. */
  readonly isDnssecOk: boolean
}

/** A well-formed query with one question. */
export interface Question {
  /** The labels as they were sent; their case is kept in the answer (0x20). */
  readonly labels: readonly Buffer[]
  /** The name in lower case, without the last dot; a byte that is no letter, digit, `-` or `_` is shown as `\DDD`. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** The question as it was sent. */
  readonly bytes: Buffer
  readonly edns: Edns | undefined
}

/** `ignored`: no answer may be sent, or nobody would understand it. */
export type Asked = Question | 'ignored' | 'formerr' | 'notimp'

/** Never throws. */
export function readQuestion(packet: Buffer): Asked {
  // Whoever answers answers can be made to talk to itself.
  if (packet.length < HEADER_BYTES || ((packet[2] ?? 0) & RESPONSE_BIT) !== 0) return 'ignored'
  const opcode = ((packet[2] ?? 0) >> 3) & 0xf
  if (opcode !== 0) return 'notimp'
  if (packet.length > MAX_QUERY_BYTES || !hasPlausibleCounts(packet)) return 'formerr'
  const name = readName(packet)
  if (name === undefined || name.end + 4 > packet.length) return 'formerr'
  const edns = readEdns(packet)
  if (edns === 'formerr') return 'formerr'
  return {
    labels: name.labels,
    name: name.labels.map(shown).join('.'),
    type: packet.readUInt16BE(name.end),
    class: packet.readUInt16BE(name.end + 2),
    bytes: packet.subarray(HEADER_BYTES, name.end + 4),
    edns,
  }
}

/** A count is believed only after this: the library reads as many records as the header claims. */
function hasPlausibleCounts(packet: Buffer): boolean {
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map(at => packet.readUInt16BE(at))
  if (questions !== 1 || answers !== 0) return false
  return (authorities ?? 0) <= MAX_AUTHORITIES && (additionals ?? 0) <= MAX_ADDITIONALS
}

/**
 * The question's name. A pointer has nothing before it to point at but the header; the library would follow it there, and takes a dot
 * within a label for one between labels.
 */
function readName(packet: Buffer): { labels: Buffer[]; end: number } | undefined {
  const labels: Buffer[] = []
  let at = HEADER_BYTES
  for (;;) {
    const length = packet[at]
    if (length === undefined || length > MAX_LABEL_BYTES) return undefined
    at += 1
    if (length === 0) return at - HEADER_BYTES > MAX_NAME_BYTES ? undefined : { labels, end: at }
    if (at + length > packet.length) return undefined
    labels.push(packet.subarray(at, at + length))
    at += length
  }
}

/** Letters of ASCII alone have a case here (RFC 4343). */
function shown(label: Buffer): string {
  let text = ''
  for (const byte of label) {
    const character = String.fromCharCode(byte)
    text += /[a-z0-9_-]/i.test(character) ? character.toLowerCase() : `\\${String(byte).padStart(3, '0')}`
  }
  return text
}

function readEdns(packet: Buffer): Edns | undefined | 'formerr' {
  let additionals: NonNullable<ReturnType<typeof decode>['additionals']>
  try {
    additionals = decode(packet).additionals ?? []
    // Records that claim to end behind the packet, and bytes that belong to none.
    if (decode.bytes !== packet.length) return 'formerr'
  } catch {
    return 'formerr'
  }
  const options = additionals.filter(record => record.type === OPT_TYPE)
  const [option, ...more] = options
  if (option === undefined) return undefined
  if (more.length > 0 || option.type !== OPT_TYPE || option.name !== '.') return 'formerr'
  return { version: option.ednsVersion, udpBytes: option.udpPayloadSize, isDnssecOk: option.flag_do }
}
