// HOST[:PORT] as its owner writes it, and where and under which name the link is dialled for it.
import { domainToASCII } from 'node:url'
import { Failure } from '../failure.ts'

/** Port of the link when none is given: the one visitors use. */
const DEFAULT_PORT = 443
/** The embedded default server listens here. */
const DEFAULT_LOCALHOST_PORT = 8443

/** A pbt-server: its base domain and the port of its visitors and links. */
export interface ServerAddress {
  readonly base: string
  readonly port: number
}

/** Reads HOST[:PORT], also as the address that a browser shows. Throws Failure `usage` that names `what` (an option or variable). */
export function parseServer(text: string, what: string): ServerAddress {
  const match = /^(?:https:\/\/)?([^:/\s]+?)\.?(?::(\d{1,5}))?\/?$/i.exec(text)
  const base = domainToASCII(match?.[1] ?? '').replace(/^link\./, '')
  const port = Number(match?.[2] ?? (base === 'localhost' ? DEFAULT_LOCALHOST_PORT : DEFAULT_PORT))
  if (!isDomain(base) || port < 1 || port > 65_535) {
    throw new Failure('usage', `${what} "${text}" is not HOST[:PORT] with the base domain of a pbt-server`, {
      cure: 'give it like "tunnel.example.com" or "localhost:8443"',
    })
  }
  return { base, port }
}

/** As stored and shown: `tunnel.example.com:443`. */
export function formatServer(server: ServerAddress): string {
  return `${server.base}:${server.port}`
}

/** The name of the link in TLS and HTTP/2. */
export function linkName(server: ServerAddress): string {
  return `link.${server.base}`
}

/** Whether it is on this machine, which needs no name service and no proxy. */
export function isLoopback(server: ServerAddress): boolean {
  return server.base === 'localhost'
}

/** gRPC targets to try in this order for a server on this machine; none for another one, whose name is looked up. */
export function loopbackTargets(server: ServerAddress): readonly string[] {
  return isLoopback(server) ? [`ipv4:127.0.0.1:${server.port}`, `ipv6:[::1]:${server.port}`] : []
}

function isDomain(name: string): boolean {
  if (name.length === 0 || name.length > 248) return false
  const labels = name.split('.')
  // A last label of digits would be an IP address, which has no subdomains.
  if (/^\d+$/.test(labels.at(-1) ?? '')) return false
  return labels.every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
}
