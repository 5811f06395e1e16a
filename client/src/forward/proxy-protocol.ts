// The PROXY protocol's header, versions 1 and 2: tells a target the addresses of a connection, or of datagrams, that came
// through others.
import { bareAddress, parseAddress } from '@pbt/proto'

/** v1 is text and for TCP only; v2 is binary, for TCP and UDP. */
export type ProxyVersion = 'v1' | 'v2'

/** Section 2.2 of the specification (haproxy.org/download/2.9/doc/proxy-protocol.txt). */
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const PROXY_COMMAND = 0x21
const LOCAL_COMMAND = 0x20
/** Says nothing of addresses. */
const LOCAL_HEADER = Buffer.concat([SIGNATURE, Buffer.from([LOCAL_COMMAND, 0, 0, 0])])
const STREAM_OVER = { 4: 0x11, 6: 0x21 } as const
const DATAGRAM_OVER = { 4: 0x12, 6: 0x22 } as const
const ANY = { 4: '0.0.0.0', 6: '[::]' } as const

interface Endpoint {
  readonly address: string
  readonly parts: readonly number[]
  readonly family: 0 | 4 | 6
  readonly port: number
}

/** The header for a visitor and the public address it dialled, each as `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
export function proxyHeader(version: ProxyVersion, visitor: string, local: string): Buffer {
  const [source, destination] = [read(visitor), read(local)]
  const family = source.family === destination.family ? source.family : 0
  if (version === 'v1') return textHeader(source, destination, family)
  return family === 0 ? LOCAL_HEADER : binaryHeader(source, destination, STREAM_OVER[family])
}

/**
 * Version 2's header for the first datagram of a visitor; version 1 has none for datagrams. A port that takes both families does
 * not know its own address, which is then the one that stands for any.
 */
export function datagramHeader(visitor: string, local: string): Buffer {
  const [source, bound] = [read(visitor), read(local)]
  if (source.family === 0) return LOCAL_HEADER
  const destination = bound.family === source.family ? bound : read(`${ANY[source.family]}:${bound.port}`)
  return binaryHeader(source, destination, DATAGRAM_OVER[source.family])
}

function textHeader(source: Endpoint, destination: Endpoint, family: 0 | 4 | 6): Buffer {
  if (family === 0) return Buffer.from('PROXY UNKNOWN\r\n')
  const addresses = `${source.address} ${destination.address} ${source.port} ${destination.port}`
  return Buffer.from(`PROXY TCP${family} ${addresses}\r\n`)
}

/** `transport`: the octet for the families of addresses and transport. */
function binaryHeader(source: Endpoint, destination: Endpoint, transport: number): Buffer {
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  const body = Buffer.concat([octets(source), octets(destination), ports])
  return Buffer.concat([SIGNATURE, Buffer.from([PROXY_COMMAND, transport, 0, body.length]), body])
}

function read(endpoint: string): Endpoint {
  const match = /^\[?([^\]]*?)\]?:(\d{1,5})$/.exec(endpoint)
  const address = bareAddress(match?.[1] ?? '')
  const parts = parseAddress(address) ?? []
  return {
    address,
    parts,
    family: parts.length === 4 ? 4 : parts.length === 8 ? 6 : 0,
    port: Number(match?.[2] ?? 0) & 0xffff,
  }
}

function octets({ parts, family }: Endpoint): Buffer {
  if (family === 4) return Buffer.from(parts)
  const buffer = Buffer.alloc(2 * parts.length)
  for (const [index, group] of parts.entries()) buffer.writeUInt16BE(group, 2 * index)
  return buffer
}
