// A DNS of our own for tests: real servers over UDP and TCP whose zones a test writes, as their own servers or as a resolver tells them.
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { type Answer, decode, encode, type Packet } from 'dns-packet'
import type { Cleaner } from '../../support/programs.ts'

const AUTHORITATIVE = 0x0400
const TRUNCATED = 0x0200
const RECURSION_AVAILABLE = 0x0080
const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
const NEGATIVE_TTL_SECONDS = 42

/** Instead of an answer. `bogus`: SERVFAIL unless the asker wants no checks (CD); `cut`: TC over UDP. */
export type Fault = 'SERVFAIL' | 'NOTIMP' | 'REFUSED' | 'silent' | 'bogus' | 'cut' | 'junk' | 'forged' | 'other-id'

/** What one server knows. */
export interface Zones {
  /** Lines such as `app.mine.uk A 203.0.113.7`, `mine.uk CAA 0 issue "x"`, `*.mine.uk A …`, `mine.uk NS ns.mine.uk`. */
  records: readonly string[]
  /** By `name TYPE`, or `name *` for every type. */
  faults?: Readonly<Record<string, Fault>>
  /** Names that are delegated to others: asked for them, or below, it tells who (as the zone above does). */
  cuts?: readonly string[]
}

interface Question {
  readonly name: string
  readonly type: string
}

/** One server, on UDP and TCP. */
export class TestDns {
  zones: Zones
  /** `name TYPE` of each question, in order. */
  readonly asked: string[] = []
  readonly address: string
  readonly port: number
  private readonly isResolver: boolean

  private constructor(address: string, port: number, isResolver: boolean, zones: Zones) {
    this.address = address
    this.port = port
    this.isResolver = isResolver
    this.zones = zones
  }

  /** `port` 0: a free one. */
  static async start(t: Cleaner, address: string, port: number, isResolver: boolean, zones: Zones): Promise<TestDns> {
    const streams = createServer()
    const datagrams = createSocket('udp4')
    const sockets = new Set<Socket>()
    t.after(() => {
      streams.close()
      datagrams.close()
      for (const socket of sockets) socket.destroy()
    })
    const bound = await bind(streams, datagrams, address, port)
    const dns = new TestDns(address, bound, isResolver, zones)
    datagrams.on('message', (packet, from) => {
      const reply = dns.reply(packet, true)
      if (reply !== undefined) datagrams.send(reply, from.port, from.address)
    })
    streams.on('connection', socket => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('data', (bytes: Buffer) => {
        const reply = dns.reply(bytes.subarray(2), false)
        if (reply !== undefined)
          socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]))
      })
    })
    return dns
  }

  private reply(packet: Buffer, isUdp: boolean): Buffer | undefined {
    const { id, flag_cd, questions = [] } = decode(packet)
    const [question] = questions
    if (question === undefined) return undefined
    const name = question.name.toLowerCase()
    this.asked.push(`${name} ${question.type}`)
    const fault = this.zones.faults?.[`${name} ${question.type}`] ?? this.zones.faults?.[`${name} *`]
    if (fault === 'silent') return undefined
    if (fault === 'junk')
      return Buffer.concat([packet.subarray(0, 2), Buffer.from([0x84, 0, 0, 1, 255, 255]), Buffer.alloc(40, 0xc0)])
    if (fault === 'cut' && isUdp) return this.packet(id, question, { flags: TRUNCATED })
    if (fault === 'other-id') return this.packet(((id ?? 0) + 1) & 0xffff, question, this.look({ ...question, name }))
    if (fault === 'forged') {
      // Records that nobody asked for, beside the answer.
      const looked = this.look({ ...question, name })
      const forged: Answer = { type: 'A', name: 'other.example', ttl: 60, data: '198.51.100.66' }
      return this.packet(id, question, { ...looked, answers: [forged, ...(looked.answers ?? [])] })
    }
    if (fault === 'bogus' && !flag_cd) return this.packet(id, question, { flags: RCODES.SERVFAIL })
    if (fault !== undefined && fault in RCODES)
      return this.packet(id, question, { flags: RCODES[fault as keyof typeof RCODES] })
    return this.packet(id, question, this.look({ ...question, name }))
  }

  private packet(id: number | undefined, question: Question, { flags = 0, ...rest }: Packet): Buffer {
    const both = this.isResolver ? RECURSION_AVAILABLE : 0
    return encode({ type: 'response', id: id ?? 0, flags: flags | both, questions: [question], ...rest } as Packet)
  }

  private look(question: Question): Packet {
    const cut = this.isResolver
      ? undefined
      : this.zones.cuts?.find(each => question.name === each || question.name.endsWith(`.${each}`))
    if (cut !== undefined) return { flags: 0, answers: [], authorities: this.at(cut, 'NS') }
    const flags = this.isResolver ? 0 : AUTHORITATIVE
    const answers: Answer[] = []
    let name = question.name
    for (let aliases = 0; aliases < 5; aliases++) {
      const found = this.at(name, question.type)
      const [alias] = found.length > 0 ? [] : this.at(name, 'CNAME')
      answers.push(...found)
      if (alias?.type !== 'CNAME') break
      answers.push(alias)
      name = alias.data
    }
    if (answers.length > 0) return { flags, answers }
    const isThere = this.zones.records.some(
      line => line.startsWith(`${name} `) || line.split(' ')[0]?.endsWith(`.${name}`),
    )
    const rcode = isThere || this.at(name, 'A').length > 0 ? RCODES.NOERROR : RCODES.NXDOMAIN
    const data = {
      mname: 'ns.test',
      rname: 'host.test',
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: NEGATIVE_TTL_SECONDS,
    }
    return {
      flags: flags | rcode,
      authorities: [{ type: 'SOA', name: name.split('.').slice(-1)[0] ?? '', ttl: 3_600, data }],
    }
  }

  /** Those of exactly this name, else those of the star beside it. */
  private at(name: string, type: string): Answer[] {
    const all = this.zones.records.map(line => line.split(' '))
    const isOwn = all.some(([owner]) => owner === name || owner?.endsWith(`.${name}`))
    const star = `*.${name.slice(name.indexOf('.') + 1)}`
    return all
      .filter(([owner, each]) => each === type && owner === (isOwn ? name : star))
      .map(([, , ...data]) => ({ name, ttl: 60, type, data: dataOf(type, data) }) as Answer)
  }
}

function dataOf(type: string, words: readonly string[]): unknown {
  if (type !== 'CAA') return words.join(' ')
  const [flags, tag, ...value] = words
  return { flags: Number(flags), tag, value: value.join(' ') }
}

async function bind(streams: Server, datagrams: Datagrams, address: string, port: number): Promise<number> {
  const listening = once(streams, 'listening')
  streams.listen(port, address)
  await listening
  const bound = (streams.address() as { port: number }).port
  const ready = once(datagrams, 'listening')
  datagrams.bind(bound, address)
  await ready
  return bound
}
