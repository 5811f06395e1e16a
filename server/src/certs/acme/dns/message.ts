// An answer as bytes, with names as pointers into its question (RFC 1035 section 4.1.4): the library writes each name in full, and
// answers would be up to four times as long as what was asked.
import { type Edns, HEADER_BYTES, type Question } from './question.ts'

/** RFC 1035 section 4.1.1 and RFC 6891 section 9; above 15 the upper bits go into OPT. */
export const RCODE = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5, badVers: 16 } as const
export type Rcode = (typeof RCODE)[keyof typeof RCODE]

/** Types that are answered or refused by name (IANA). */
export const TYPE = { ns: 2, soa: 6, hinfo: 13, txt: 16, ixfr: 251, axfr: 252, any: 255 } as const
export const CLASS_IN = 1

/** The DNS flag day of 2020: what passes every network in one piece. */
export const MAX_UDP_BYTES = 1_232

const RESPONSE = 0x8000
const AUTHORITATIVE = 0x0400
const TRUNCATED = 0x0200
/** Opcode, RD and CD are the asker's (RFC 1035 section 4.1.1, RFC 4035 section 3.1.6). */
const REPEATED = 0x7910
const POINTER = 0xc000
const DNSSEC_OK = 0x8000
const OPT_TYPE = 41

/** A record of the answer: its owner is the question's name, or the end of it from the label with this index. */
export interface AnswerRecord {
  readonly ownerFrom: number
  readonly type: number
  readonly ttlSeconds: number
  readonly data: Buffer
}

/** What to say. */
export interface Reply {
  readonly rcode: Rcode
  readonly isAuthoritative?: boolean
  readonly isTruncated?: boolean
  readonly answers?: readonly AnswerRecord[]
  readonly authorities?: readonly AnswerRecord[]
}

/** An answer with the question, and with OPT when that had it (RFC 6891 section 7). */
export function writeReply(packet: Buffer, question: Question, reply: Reply): Buffer {
  const { answers = [], authorities = [], rcode } = reply
  const flags = (reply.isAuthoritative ? AUTHORITATIVE : 0) | (reply.isTruncated ? TRUNCATED : 0)
  const records = [...answers, ...authorities].map(record => writeRecord(record, question))
  const option = question.edns === undefined ? [] : [writeOption(question.edns, rcode)]
  const header = writeHeader(packet, flags, rcode, [1, answers.length, authorities.length, option.length])
  return Buffer.concat([header, question.bytes, ...records, ...option])
}

/** An answer without a question, for what could not be read. `packet` has a header. */
export function writeBare(packet: Buffer, rcode: Rcode): Buffer {
  return writeHeader(packet, 0, rcode, [0, 0, 0, 0])
}

/** A name as data: `before`, then the end of the question's name from the label with the index `from`. */
export function pointedName(question: Question, from: number, before = ''): Buffer {
  const pointer = Buffer.alloc(2)
  pointer.writeUInt16BE(POINTER | offsetOf(question, from))
  return before === '' ? pointer : Buffer.concat([characterString(before), pointer])
}

/** Text behind its length (RFC 1035 section 3.3), which is also how a label is written. At most 255 bytes. */
export function characterString(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

function offsetOf({ labels }: Question, from: number): number {
  return labels.slice(0, from).reduce((at, label) => at + 1 + label.length, HEADER_BYTES)
}

function writeRecord({ ownerFrom, type, ttlSeconds, data }: AnswerRecord, question: Question): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(CLASS_IN, 2)
  fixed.writeUInt32BE(ttlSeconds, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([pointedName(question, ownerFrom), fixed, data])
}

function writeOption({ isDnssecOk }: Edns, rcode: Rcode): Buffer {
  const option = Buffer.alloc(11)
  option.writeUInt16BE(OPT_TYPE, 1)
  option.writeUInt16BE(MAX_UDP_BYTES, 3)
  option[5] = rcode >> 4
  option.writeUInt16BE(isDnssecOk ? DNSSEC_OK : 0, 7)
  return option
}

function writeHeader(packet: Buffer, flags: number, rcode: Rcode, counts: readonly number[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  packet.copy(header, 0, 0, 2)
  header.writeUInt16BE(RESPONSE | flags | (packet.readUInt16BE(2) & REPEATED) | (rcode & 0xf), 2)
  for (const [index, count] of counts.entries()) header.writeUInt16BE(count, 4 + 2 * index)
  return header
}
