// What listens on this machine, as Linux tells it: asked without a connection, which a service might take for a visitor.
import { readFileSync } from 'node:fs'
import type { ChannelKind } from '@pbt/proto'
import type { Endpoint } from '../config/target.ts'

/** Sockets that wait for peers: `ADDRESS:PORT` of TCP and UDP, paths of unix sockets. */
export interface Listening {
  readonly tcp: ReadonlySet<string>
  readonly udp: ReadonlySet<string>
  readonly unix: ReadonlySet<string>
}

/** States in the tables (`enum` of include/net/tcp_states.h): TCP_LISTEN, and TCP_CLOSE, which an unconnected UDP socket has. */
const LISTEN = '0A'
const UNCONNECTED = '07'
/** Flag of a unix socket that accepts (`__SO_ACCEPTCON`). */
const ACCEPTS = 0x10000
const ANY = ['00000000', '0'.repeat(32)]
/** 127.0.0.1 and ::1 as the tables have them: in words of the machine's byte order. */
const LOOPBACK = ['0100007F', '00000000000000000000000001000000', '0000000000000000FFFF00000100007F']
const OURS = new Set([...ANY, ...LOOPBACK])

/** Undefined where the system does not tell. `read`: the text of a file of /proc/net. */
export function readListening(read: (name: string) => string = readNet): Listening | undefined {
  try {
    const both = (name: string, state: string) =>
      new Set([...places(read(name), state), ...placesIfAny(read, `${name}6`, state)])
    return { tcp: both('tcp', LISTEN), udp: both('udp', UNCONNECTED), unix: paths(read('unix')) }
  } catch {
    return undefined
  }
}

/** Whether something takes what is sent there; undefined: it is not on this machine's loopback, and nobody can tell. */
export function isListening({ tcp, udp, unix }: Listening, kind: ChannelKind, endpoint: Endpoint): boolean | undefined {
  if (endpoint.kind === 'unix') return unix.has(endpoint.path)
  // Others of 127/8 are seldom, and their services too.
  if (!endpoint.hosts.every(host => host === '127.0.0.1' || host === '::1')) return undefined
  const port = endpoint.port.toString(16).toUpperCase().padStart(4, '0')
  const all = kind === 'udp' ? udp : tcp
  for (const address of OURS) if (all.has(`${address}:${port}`)) return true
  return false
}

function readNet(name: string): string {
  return readFileSync(`/proc/self/net/${name}`, 'latin1')
}

function places(table: string, state: string): string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local, , found] = line.trim().split(/\s+/)
      return local !== undefined && found === state ? [local] : []
    })
}

/** There is none of IPv6 without IPv6. */
function placesIfAny(read: (name: string) => string, name: string, state: string): string[] {
  try {
    return places(read(name), state)
  } catch {
    return []
  }
}

function paths(table: string): Set<string> {
  const all = new Set<string>()
  for (const line of table.split('\n').slice(1)) {
    const [, , , flags = '0', , , , path] = line.trim().split(/\s+/)
    if (path !== undefined && (Number.parseInt(flags, 16) & ACCEPTS) !== 0) all.add(path)
  }
  return all
}
