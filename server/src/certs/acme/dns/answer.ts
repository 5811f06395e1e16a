// What the responder says to a query: authoritative for one zone, no recursion, no look-ups elsewhere.
import type { TxtSource } from '../types.ts'
import {
  type AnswerRecord,
  CLASS_IN,
  characterString,
  MAX_UDP_BYTES,
  pointedName,
  RCODE,
  type Reply,
  TYPE,
  writeBare,
  writeReply,
} from './message.ts'
import { type Question, readQuestion } from './question.ts'

/** The CA has to see what is there now. */
const TXT_TTL_SECONDS = 1
/** How long resolvers may remember that a record was missing: whoever asks too early waits no longer. */
export const NEGATIVE_TTL_SECONDS = 10
const NS_TTL_SECONDS = 300
/** RFC 1035 section 3.3.13; there is no second server that would use them. */
const SOA_TIMES = [3_600, 600, 86_400, NEGATIVE_TTL_SECONDS]
/** Answers over UDP are at most so many times as long as the query, so that forged addresses gain nobody much. */
export const MAX_AMPLIFICATION = 3
/** Without EDNS (RFC 1035 section 2.3.4). */
const PLAIN_UDP_BYTES = 512
/** RFC 1035 section 4.2.2. */
const MAX_TCP_BYTES = 65_535
const MAX_STRING_BYTES = 255
/** Of one name; a certificate needs no more at once. */
const MAX_VALUES = 100
const MAX_VALUE_BYTES = 512

/** The zone and what is in it. */
export interface Zone {
  /** `tunnel.example.com`: the zone is `acme.<base>`, and its name server is the base domain. */
  readonly baseDomain: string
  readonly texts: TxtSource
  /** SOA's serial number, 32 bits. */
  serial(): number
}

export type Transport = 'udp' | 'tcp'

/** The zone's own name. */
export function zoneNameOf(baseDomain: string): string {
  return `acme.${baseDomain}`
}

/** The answer, or undefined when there must be none. Never rejects, whatever the packet is. */
export async function answer(packet: Buffer, zone: Zone, transport: Transport): Promise<Buffer | undefined> {
  const asked = readQuestion(packet)
  if (typeof asked === 'string') return unread(packet, asked)
  const reply = writeReply(packet, asked, await replyTo(asked, zone))
  return reply.length <= mostBytes(packet, asked, transport) ? reply : truncated(packet, asked)
}

/** "Ask again over TCP", which a forged address cannot; for those who asked too much, too. Undefined when there must be no answer. */
export function answerTruncated(packet: Buffer): Buffer | undefined {
  const asked = readQuestion(packet)
  return typeof asked === 'string' ? unread(packet, asked) : truncated(packet, asked)
}

function unread(packet: Buffer, asked: 'ignored' | 'formerr' | 'notimp'): Buffer | undefined {
  if (asked === 'ignored') return undefined
  return writeBare(packet, asked === 'notimp' ? RCODE.notImp : RCODE.formErr)
}

function truncated(packet: Buffer, question: Question): Buffer {
  return writeReply(packet, question, { rcode: RCODE.noError, isAuthoritative: true, isTruncated: true })
}

function mostBytes(packet: Buffer, { edns }: Question, transport: Transport): number {
  if (transport === 'tcp') return MAX_TCP_BYTES
  const taken = Math.max(PLAIN_UDP_BYTES, edns?.udpBytes ?? 0)
  return Math.min(taken, MAX_UDP_BYTES, MAX_AMPLIFICATION * packet.length)
}

async function replyTo(question: Question, zone: Zone): Promise<Reply> {
  if (question.edns !== undefined && question.edns.version !== 0) return { rcode: RCODE.badVers }
  const apex = apexOf(question, zone)
  const { type } = question
  if (apex === undefined || question.class !== CLASS_IN || type === TYPE.axfr || type === TYPE.ixfr)
    return { rcode: RCODE.refused }
  const texts = await textsOf(question, zone)
  if (texts === 'failed') return { rcode: RCODE.servFail }
  const isApex = apex === 0
  const soa = { ownerFrom: apex, type: TYPE.soa, ttlSeconds: NEGATIVE_TTL_SECONDS, data: soaData(question, apex, zone) }
  if (texts === undefined && !isApex) return { rcode: RCODE.nxDomain, isAuthoritative: true, authorities: [soa] }
  const answers = isApex && type === TYPE.soa ? [soa] : recordsOf(question, isApex, texts ?? [])
  const authorities = answers.length === 0 ? [soa] : []
  return { rcode: RCODE.noError, isAuthoritative: true, answers, authorities }
}

async function textsOf({ name }: Question, { texts }: Zone): Promise<readonly string[] | undefined | 'failed'> {
  try {
    return (await texts.txt(name))?.slice(0, MAX_VALUES)
  } catch {
    // Askers try again after SERVFAIL; the source tells its owner what is wrong.
    return 'failed'
  }
}

/** The index of the label at which the zone's name begins; undefined outside the zone. */
function apexOf({ name, labels }: Question, { baseDomain }: Zone): number | undefined {
  const zone = zoneNameOf(baseDomain)
  if (name !== zone && !name.endsWith(`.${zone}`)) return undefined
  return labels.length - zone.split('.').length
}

function recordsOf(question: Question, isApex: boolean, texts: readonly string[]): AnswerRecord[] {
  switch (question.type) {
    case TYPE.ns:
      return isApex ? [{ ownerFrom: 0, type: TYPE.ns, ttlSeconds: NS_TTL_SECONDS, data: pointedName(question, 1) }] : []
    case TYPE.txt:
      return texts.map(value => ({ ownerFrom: 0, type: TYPE.txt, ttlSeconds: TXT_TTL_SECONDS, data: textData(value) }))
    case TYPE.any: {
      // RFC 8482 section 4.2: one small record instead of all.
      const data = Buffer.concat([characterString('RFC8482'), characterString('')])
      return [{ ownerFrom: 0, type: TYPE.hinfo, ttlSeconds: NEGATIVE_TTL_SECONDS, data }]
    }
    default:
      return []
  }
}

/** In strings of at most 255 bytes, which readers put together again (RFC 1035 section 3.3.14). */
function textData(value: string): Buffer {
  const bytes = Buffer.from(value).subarray(0, MAX_VALUE_BYTES)
  const strings: Buffer[] = []
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_STRING_BYTES)
    strings.push(characterString(bytes.subarray(at, at + MAX_STRING_BYTES)))
  return Buffer.concat(strings)
}

/** The base domain is the name server, and lies outside the zone: no glue is needed. */
function soaData(question: Question, apex: number, zone: Zone): Buffer {
  const numbers = Buffer.alloc(20)
  for (const [index, value] of [zone.serial() >>> 0, ...SOA_TIMES].entries()) numbers.writeUInt32BE(value, 4 * index)
  return Buffer.concat([pointedName(question, apex + 1), pointedName(question, apex + 1, 'hostmaster'), numbers])
}
