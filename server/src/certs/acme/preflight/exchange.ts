// One question to one DNS server: UDP, then TCP where the answer is too long. What comes back is a stranger's.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { type Answer, decode, encode } from 'dns-packet'
import { systemCodeOf } from '../../../failure.ts'

/** How long a server has for each try over UDP, and how often it is asked, milliseconds. */
const TRY_MS = 1_500
const TRIES = 2
/** How long it has over TCP, milliseconds. */
const TCP_MS = 3_000
/** The longest answer that is read; pointers of a hostile one cost time by the square of its length. */
const MAX_ANSWER_BYTES = 16_384
const UDP_BYTES = 1_232
const LENGTH_BYTES = 2
const RECURSION_DESIRED = 0x0100
const CHECKING_DISABLED = 0x0010
const AUTHENTIC_DATA = 0x0020
/** RFC 1035 section 2.3.4. */
const NAME = /^(?!.{254})(?:[a-z0-9_*-]{1,63}\.)*[a-z0-9_*-]{1,63}$/i

/** Where a server listens. */
export interface Server {
  readonly address: string
  readonly port: number
}

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'NS' | 'SOA' | 'CAA' | 'TXT'

export interface Query {
  /** Without a dot at the end; anything but a DNS name is `nonsense`. */
  readonly name: string
  readonly type: RecordType
  /** For a resolver: it is to ask further. */
  readonly isRecursive: boolean
  /** CD (RFC 4035 section 3.2.2): the resolver is to answer also what DNSSEC finds forged. */
  readonly isUnchecked?: boolean
}

/** What a server said, or that it said nothing that can be read. */
export type Reply =
  | {
      readonly kind: 'answer'
      readonly rcode: string
      readonly isAuthoritative: boolean
      readonly answers: readonly Answer[]
      readonly authorities: readonly Answer[]
    }
  | { readonly kind: 'silent'; readonly how: 'timeout' | 'refused' | 'unreachable' | 'nonsense' }

/** How a server is shown: without the port that everybody expects. */
export function serverText({ address, port }: Server): string {
  if (port === 53) return address
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** Asks; bounded by 2 tries over UDP and one over TCP, about 6 s, or by `signal`. Never rejects. */
export async function ask(server: Server, query: Query, signal: AbortSignal, tryMs = TRY_MS): Promise<Reply> {
  if (!NAME.test(query.name)) return { kind: 'silent', how: 'nonsense' }
  let reply: Reply = { kind: 'silent', how: 'timeout' }
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    const packet = queryPacket(query)
    const answered = await overUdp(server, packet, query, AbortSignal.any([signal, AbortSignal.timeout(tryMs)]))
    if (answered === 'truncated') return await overTcp(server, packet, query, signal)
    reply = answered
    if (reply.kind === 'answer' || reply.how !== 'timeout') return reply
  }
  return reply
}

/** With a number that nobody can guess from outside. */
function queryPacket({ name, type, isRecursive, isUnchecked = false }: Query): Buffer {
  return encode({
    type: 'query',
    id: randomInt(0x1_00_00),
    flags: (isRecursive ? RECURSION_DESIRED | AUTHENTIC_DATA : 0) | (isUnchecked ? CHECKING_DISABLED : 0),
    questions: [{ name, type, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
}

/** The answer to this very question; undefined for what anybody else may have sent. */
function readReply(bytes: Buffer, packet: Buffer, { name, type }: Query): Reply | 'truncated' | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== packet.readUInt16BE(0) || ((bytes[2] ?? 0) & 0x80) === 0)
    return undefined
  try {
    const { rcode, questions = [], answers = [], authorities = [], flag_tc, flag_aa } = decoded(bytes)
    const [question] = questions
    // Servers that cannot read a question need not repeat it.
    const isOurs = question?.name.toLowerCase() === name.toLowerCase() && question.type === type
    if (!isOurs && (question !== undefined || rcode === 'NOERROR')) return undefined
    if (flag_tc) return 'truncated'
    return { kind: 'answer', rcode, isAuthoritative: flag_aa, answers, authorities }
  } catch {
    return { kind: 'silent', how: 'nonsense' }
  }
}

/** The library's types leave the code out. */
function decoded(bytes: Buffer): ReturnType<typeof decode> & { rcode: string } {
  return decode(bytes) as ReturnType<typeof decode> & { rcode: string }
}

async function overUdp(
  server: Server,
  packet: Buffer,
  query: Query,
  signal: AbortSignal,
): Promise<Reply | 'truncated'> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  try {
    return await new Promise<Reply | 'truncated'>(resolve => {
      signal.addEventListener('abort', () => resolve({ kind: 'silent', how: 'timeout' }), { once: true })
      socket.on('error', error => resolve(silence(error)))
      socket.on('message', bytes => {
        const reply = bytes.length > MAX_ANSWER_BYTES ? undefined : readReply(bytes, packet, query)
        if (reply !== undefined) resolve(reply)
      })
      // Connected: the kernel drops what others send, and tells that nobody listens there.
      socket.connect(server.port, server.address, () => socket.send(packet, error => error && resolve(silence(error))))
    })
  } finally {
    socket.close()
  }
}

async function overTcp(server: Server, packet: Buffer, query: Query, signal: AbortSignal): Promise<Reply> {
  const socket = connect({ host: server.address, port: server.port, noDelay: true })
  try {
    return await new Promise<Reply>(resolve => {
      const late = AbortSignal.any([signal, AbortSignal.timeout(TCP_MS)])
      if (late.aborted) resolve({ kind: 'silent', how: 'timeout' })
      late.addEventListener('abort', () => resolve({ kind: 'silent', how: 'timeout' }), { once: true })
      socket.on('error', error => resolve(silence(error)))
      socket.on('close', () => resolve({ kind: 'silent', how: 'unreachable' }))
      let read = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => {
        read = Buffer.concat([read, bytes])
        const length = read.length < LENGTH_BYTES ? 0 : read.readUInt16BE(0)
        if (length > MAX_ANSWER_BYTES) resolve({ kind: 'silent', how: 'nonsense' })
        else if (length > 0 && read.length >= LENGTH_BYTES + length) {
          const reply = readReply(read.subarray(LENGTH_BYTES, LENGTH_BYTES + length), packet, query)
          resolve(reply === undefined || reply === 'truncated' ? { kind: 'silent', how: 'nonsense' } : reply)
        }
      })
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt16BE(packet.length)
      socket.write(Buffer.concat([length, packet]))
    })
  } finally {
    socket.destroy()
  }
}

function silence(error: unknown): Reply {
  return { kind: 'silent', how: systemCodeOf(error) === 'ECONNREFUSED' ? 'refused' : 'unreachable' }
}
