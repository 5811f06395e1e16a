// Looks at a port of the server from where this machine is, and at nothing else: a server is no reason to scan others.
import { createSocket } from 'node:dgram'
import { promises as dns } from 'node:dns'
import { connect, isIP, isIPv6 } from 'node:net'
import { bareAddress } from '@pbt/proto'
import { type LookOutside, LookedOutside_Outcome as Outcome } from '@pbt/proto/tunnel/v1'
import { linkName, type ServerAddress } from '../config/server-address.ts'

/** How long a connection may take to come, and how often and long a datagram is waited for, milliseconds. */
const CONNECT_MS = 6_000
const DATAGRAM_MS = 2_000
const DATAGRAM_TRIES = 3
const TCP_PORTS: readonly number[] = [53, 80, 443]
const UDP_PORTS: readonly number[] = [53]

/** What was seen; unspecified: nobody looked. */
export interface Seen {
  readonly outcome: Outcome
  /** For people. */
  readonly message: string
}

/** By a client that does not look. */
export const NOT_LOOKED: Seen = { outcome: Outcome.UNSPECIFIED, message: 'this client does not look' }

/** Names to addresses, all of them. Rejects when there are none. */
export type FindAddresses = (host: string) => Promise<readonly string[]>

const bySystem: FindAddresses = async host => (await dns.lookup(host, { all: true })).map(({ address }) => address)

/** Never rejects. `ports`: other ones that count too, in tests. */
export async function lookOutside(
  server: ServerAddress,
  { address, port, udp }: Pick<LookOutside, 'address' | 'port' | 'udp'>,
  find: FindAddresses = bySystem,
  ports: readonly number[] = [],
): Promise<Seen> {
  const allowed = [...(udp ? UDP_PORTS : TCP_PORTS), ...ports]
  if (!allowed.includes(port)) return notLooked(`port ${port} is not looked at`)
  if (isIP(address) === 0 || !(await isOfServer(server, address, find)))
    return notLooked(`the name of the server does not lead to ${isIP(address) === 0 ? 'it' : address}`)
  return udp ? await overUdp(address, port, server.base) : await overTcp(address, port)
}

function notLooked(message: string): Seen {
  return { outcome: Outcome.UNSPECIFIED, message }
}

/** As this machine finds it, whatever the server says. */
async function isOfServer(server: ServerAddress, address: string, find: FindAddresses): Promise<boolean> {
  const found = await Promise.allSettled([server.base, linkName(server)].map(find))
  const addresses = found.flatMap(each => (each.status === 'fulfilled' ? each.value : []))
  return addresses.some(each => canonical(each) === canonical(address))
}

/** As URLs have it: one way to write each address. */
function canonical(address: string): string {
  const bare = bareAddress(address)
  return isIPv6(bare) ? new URL(`http://[${bare}]`).hostname : bare
}

async function overTcp(host: string, port: number): Promise<Seen> {
  const socket = connect({ host, port })
  try {
    return await new Promise<Seen>(resolve => {
      socket.setTimeout(CONNECT_MS, () => resolve(silent('timed out')))
      socket.once('connect', () => resolve({ outcome: Outcome.REACHED, message: 'connected' }))
      socket.once('error', error => resolve(failed(error)))
    })
  } finally {
    socket.destroy()
  }
}

/** Any datagram that comes back from there is an answer. */
async function overUdp(address: string, port: number, base: string): Promise<Seen> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const query = soaQuery(`acme.${base}`)
  let again: NodeJS.Timeout | undefined
  try {
    return await new Promise<Seen>(resolve => {
      let sent = 0
      const send = () => {
        if (sent++ === DATAGRAM_TRIES) resolve(silent('timed out'))
        else socket.send(query, error => error && resolve(failed(error)))
      }
      socket.on('error', error => resolve(failed(error)))
      socket.on('message', () => resolve({ outcome: Outcome.REACHED, message: 'answered' }))
      socket.connect(port, address, () => {
        send()
        again = setInterval(send, DATAGRAM_MS)
      })
    })
  } finally {
    clearInterval(again)
    socket.close()
  }
}

/** A DNS query (RFC 1035 section 4.1) for the SOA record of a name. */
function soaQuery(name: string): Buffer {
  const header = Buffer.from([0x70, 0x62, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  const labels = name.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 6, 0, 1])])
}

function silent(message: string): Seen {
  return { outcome: Outcome.SILENT, message }
}

function failed(error: Error): Seen {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNREFUSED') return { outcome: Outcome.REFUSED, message: 'refused' }
  return silent(code === 'EHOSTUNREACH' || code === 'ENETUNREACH' ? 'unreachable from there' : `failed (${code})`)
}
