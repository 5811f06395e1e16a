// A small internet of names for tests: servers for everything above the delegated zone, and Debian's unbound as the resolver that a CA asks,
// as strict as resolvers get. The delegated zone is answered by whoever listens at port 53 of the address that it is delegated to.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Answer, decode, encode } from 'dns-packet'
import { lastingPort } from '../../support/ports.ts'
import { type Cleaner, scratch } from '../../support/programs.ts'
import { needs } from './debian.ts'
import { run } from './pebble.ts'

const UNBOUND = '/usr/sbin/unbound'
/** Nothing is to be remembered: tests change records. */
const TTL_SECONDS = 1

/** What a name has, by type; CNAME alone, if it is one. */
export type Records = Partial<Record<'A' | 'AAAA' | 'CNAME' | 'NS' | 'CAA' | 'TXT', readonly string[]>>

export interface DnsWorld {
  /** The resolver, as `address:port`. */
  readonly resolver: string
  /** The address that base domain and its wildcard have, and whose port 53 the delegated zone is at. */
  readonly address: string
  /** What names have besides: in lower case, with `*` for a first label. Changes hold at once, but for what the resolver remembers for 1 s. */
  readonly records: Map<string, Records>
  /** What the servers of the world were asked: `TXT _acme-challenge.app.mine.test`. */
  readonly asked: string[]
}

/** Whether unbound is there and port 53 of a loopback address can be had; the test is skipped when not. */
export async function hasDnsWorld(t: TestContext): Promise<boolean> {
  if (!needs(t, ['unbound'], [UNBOUND])) return false
  const address = loopbackAddress()
  const probe = createServer()
  const isFree = await new Promise<boolean>(resolve => {
    probe.once('error', () => resolve(false))
    probe.listen(53, address, () => probe.close(() => resolve(true)))
  })
  if (!isFree) t.skip('port 53 of a loopback address cannot be bound by this user')
  return isFree
}

export interface DnsWorldOptions {
  /** The address of the base domain; one of this machine that hardly anybody else uses by default. */
  readonly address?: string
  /** Where the resolver answers, at port 53; a free port of 127.0.0.1 by default. */
  readonly resolverAddress?: string
  /** The top-level domains of this world. */
  readonly zones?: readonly string[]
}

/** `baseDomain` and everything below it lead to an address of this machine, and `acme.<base>` is delegated to it. Ended after the test. */
export async function startDnsWorld(
  t: Cleaner,
  baseDomain: string,
  { address = loopbackAddress(), resolverAddress, zones = ['test'] }: DnsWorldOptions = {},
): Promise<DnsWorld> {
  const records = new Map<string, Records>([
    [baseDomain, { A: [address] }],
    [`*.${baseDomain}`, { A: [address] }],
    [`acme.${baseDomain}`, { NS: [baseDomain] }],
  ])
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    const reply = replyTo(message, records, asked)
    if (reply !== undefined) socket.send(reply, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const at = resolverAddress ?? '127.0.0.1'
  const port = resolverAddress === undefined ? await lastingPort() : 53
  const directory = scratch(t)
  const file = join(directory, 'unbound.conf')
  writeFileSync(file, configuration({ address: at, port }, socket.address().port, zones))
  await run(t, UNBOUND, ['-d', '-p', '-c', file], {}, port, at)
  return { resolver: `${at}:${port}`, address, records, asked }
}

/** One that hardly anybody else uses now. */
function loopbackAddress(): string {
  const part = () => 1 + Math.floor(Math.random() * 250)
  return `127.${part()}.${part()}.${part()}`
}

function configuration(
  { address, port }: { address: string; port: number },
  worldPort: number,
  zones: readonly string[],
): string {
  return `
server:
  interface: ${address}@${port}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "/"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
${zones.map(zone => `  local-zone: "${zone}." nodefault`).join('\n')}
  use-caps-for-id: yes
  qname-minimisation: yes
  qname-minimisation-strict: yes
  harden-glue: yes
  harden-below-nxdomain: yes
  harden-large-queries: yes
  harden-short-bufsize: yes
  harden-dnssec-stripped: yes
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
${zones.map(zone => `stub-zone:\n  name: "${zone}."\n  stub-addr: 127.0.0.1@${worldPort}`).join('\n')}
remote-control:
  control-enable: no
`
}

function replyTo(message: Buffer, records: ReadonlyMap<string, Records>, asked: string[]): Buffer | undefined {
  const { id, questions } = decode(message)
  const [question] = questions ?? []
  if (question === undefined) return undefined
  const name = question.name.toLowerCase()
  asked.push(`${question.type} ${name}`)
  const cut = zoneCutAbove(name, records)
  const soa: Answer = {
    name: '.',
    type: 'SOA',
    ttl: TTL_SECONDS,
    data: {
      mname: 'ns.test',
      rname: 'owner.test',
      serial: 1,
      refresh: 60,
      retry: 60,
      expire: 600,
      minimum: TTL_SECONDS,
    },
  }
  const isThere = records.has(name) || isAbove(name, records) || wildcardOf(name, records) !== undefined
  const answers = cut === undefined ? answersTo(question.name, question.type, records) : []
  const authorities = cut === undefined ? (answers.length > 0 ? [] : [soa]) : [...cut]
  const AUTHORITATIVE = 0x0400
  const NXDOMAIN = 3
  const flags = cut === undefined ? AUTHORITATIVE | (isThere ? 0 : NXDOMAIN) : 0
  return encode({ type: 'response', id, flags, questions: [question], answers, authorities })
}

function answersTo(asked: string, type: string, records: ReadonlyMap<string, Records>): Answer[] {
  const name = asked.toLowerCase()
  const found = records.get(name) ?? (isAbove(name, records) ? undefined : wildcardOf(name, records))
  if (found?.CNAME !== undefined)
    return found.CNAME.map(data => ({ name: asked, type: 'CNAME', ttl: TTL_SECONDS, data }))
  const values = found?.[type as keyof Records] ?? []
  if (type === 'CAA') {
    return values.map(value => ({ name: asked, type, ttl: TTL_SECONDS, data: { flags: 0, tag: 'issue', value } }))
  }
  return values.map(data => ({ name: asked, type, ttl: TTL_SECONDS, data }) as Answer)
}

/** A delegation at or above the name, as the servers of the parent tell it: without glue. */
function zoneCutAbove(name: string, records: ReadonlyMap<string, Records>): Answer[] | undefined {
  const labels = name.split('.')
  for (let at = 0; at < labels.length; at += 1) {
    const zone = labels.slice(at).join('.')
    const servers = records.get(zone)?.NS
    if (servers !== undefined) return servers.map(data => ({ name: zone, type: 'NS', ttl: TTL_SECONDS, data }))
  }
  return undefined
}

/** Whether there are names below it: then it is there itself, without records (RFC 8020). */
function isAbove(name: string, records: ReadonlyMap<string, Records>): boolean {
  return name === '' || name === '.' || [...records.keys()].some(other => other.endsWith(`.${name}`))
}

function wildcardOf(name: string, records: ReadonlyMap<string, Records>): Records | undefined {
  const labels = name.split('.')
  for (let at = 1; at < labels.length; at += 1) {
    const above = labels.slice(at).join('.')
    const found = records.get(`*.${above}`)
    if (found !== undefined) return found
    if (records.has(above)) return undefined
  }
  return undefined
}
