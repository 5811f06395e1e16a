// Who arrives: the TLS port, told apart by server name, and the plain port.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer as createNetServer, type Server, type Socket } from 'node:net'
import {
  createServer as createTlsServer,
  DEFAULT_CIPHERS,
  type SecureContext,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls'
import { type Clock, keepAliveDelayMs, type Timer } from '@pbt/proto'
import type { TrustedProxies } from '../access/trusted-proxies.ts'
import type { VisitorLimits } from '../access/visitor-limits.ts'
import type { AccessSink } from '../observe/access-log.ts'
import type { Log } from '../observe/log.ts'
import { headText } from './answer-text.ts'
import { Connections, type TurnedAway } from './connections.ts'
import { visitorBehind } from './forwarded.ts'
import { type Visitor, visitorOf } from './headers.ts'
import { Http1 } from './http1.ts'
import { createHttp2 } from './http2.ts'
import { closeQuietly } from './quiet-close.ts'
import { replyFor, TURNED_AWAY_DETAIL } from './replies.ts'
import { endSocket } from './reset.ts'
import { Router, type Tunnels } from './router.ts'

/** A visitor shakes hands within this. */
const TLS_HANDSHAKE_MS = 10_000
const FIRST_CIPHER = 'TLS_AES_128_GCM_SHA256'
/**
 * Node's list, and as for TLS 1.2 AES with keys of 128 bits comes first for TLS 1.3 too: RFC 8446 section 9.1 has everybody speak
 * it, and with 256 bits, Node's first, bulk costs each end of the link a seventh more to seal.
 */
const CIPHERS = [FIRST_CIPHER, ...DEFAULT_CIPHERS.split(':').filter(cipher => cipher !== FIRST_CIPHER)].join(':')
/** Tickets with which visitors resume TLS are sealed with keys that live this long; then they shake hands in full. */
const TICKET_KEYS_MS = 12 * 3_600_000
/** What OpenSSL takes: a name, a key for the seal and one for the content. */
const TICKET_KEYS_BYTES = 48
/** Connections that wait for the process to take them. */
const BACKLOG = 4_096

/** Certificates by server name. */
export interface Keyring {
  /** Calls back, at once if it can, with the context for a name, or with why there is none. */
  contextFor(serverName: string | undefined, call: (error: Error | null, context?: SecureContext) => void): void
  /** Whether the certificate shown for `serverName` also covers `host`. */
  covers(serverName: string, host: string): boolean
}

export interface EdgeOptions {
  readonly baseDomain: string
  readonly tunnels: Tunnels
  readonly keyring: Keyring
  /** Takes a TLS connection that came for the link. */
  readonly acceptLink: (socket: TLSSocket) => void
  /** Whether the plain port serves tunnels instead of sending visitors to https. */
  readonly servesPlainHttp: boolean
  /** 0 for none. */
  readonly responseTimeoutMs: number
  /** Bytes a second that a request's body has to bring; 0 for no such limit. */
  readonly leastBodyRate: number
  /** The owner's reverse proxies. */
  readonly proxies: TrustedProxies
  /** Shared with the ports of TCP tunnels. */
  readonly limits: VisitorLimits
  readonly clock: Clock
  readonly access: AccessSink
  readonly log: Log
}

export interface Listen {
  readonly port: number
  readonly addresses: readonly string[]
}

/** What a port is for. */
type Kind = 'https' | 'http'

export class Edge {
  private readonly options: EdgeOptions
  private readonly connections: Connections
  private readonly servers: Server[] = []
  private readonly adopted = new Set<Server>()
  private readonly visitors = new WeakMap<Socket, Visitor>()
  private readonly http1: Http1
  private readonly plain: Http1
  private readonly http2: ReturnType<typeof createHttp2>
  /** Is handed its connections. */
  private readonly tls: TlsServer
  private ticketTimer: Timer | undefined
  private isDraining = false
  private httpsPort = 443

  constructor(options: EdgeOptions) {
    this.options = options
    const { limits, clock, log } = options
    this.connections = new Connections({ limits, clock, log })
    const router = new Router({
      baseDomain: options.baseDomain,
      tunnels: options.tunnels,
      covers: (serverName, host) => options.keyring.covers(serverName, host),
      limits,
    })
    const common = {
      router,
      visitorOf: (socket: Socket) => this.visitorOf(socket),
      visitorBehind: (connection: Visitor, fields: readonly string[]) =>
        visitorBehind(connection, fields, options.proxies, address => limits.useOf(address)),
      serverNameOf,
      responseTimeoutMs: options.responseTimeoutMs,
      leastBodyRate: options.leastBodyRate,
      isDraining: () => this.isDraining,
      access: options.access,
    }
    this.http1 = new Http1(common)
    this.plain = new Http1(options.servesPlainHttp ? common : { ...common, redirect: this.redirect })
    this.http2 = createHttp2({
      ...common,
      turnedAwayFor: socket => this.connections.turnedAwayFor(socket),
      abused: (address, what) => this.connections.abused(address, what),
    })
    this.tls = createTlsServer({
      handshakeTimeout: TLS_HANDSHAKE_MS,
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
      SNICallback: (name, call) => this.contextFor(name, call),
      ALPNCallback: ({ protocols }) => ['h2', 'http/1.1'].find(protocol => protocols.includes(protocol)),
    })
    this.tls.on('secureConnection', socket => this.secured(socket))
    this.tls.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /**
   * Opens the ports and resolves with the numbers bound. `inherited`: descriptors of listening sockets, which serve the
   * port they are bound to; a port that none is for is opened here.
   */
  async listen(
    https: Listen,
    http: Listen,
    inherited: readonly number[] = [],
  ): Promise<{ https: number; http: number }> {
    const found: { https?: number; http?: number } = {}
    this.rotateTicketKeys()
    for (const fd of inherited) await this.adopt(fd, https.port, http.port, found)
    this.httpsPort = found.https ?? (await this.bind(https, 'https'))
    return { https: this.httpsPort, http: found.http ?? (await this.bind(http, 'http')) }
  }

  /** Connections of visitors and links at the moment. */
  get connectionCount(): number {
    return this.connections.size
  }

  /** Connections turned away since the start: there were too many. */
  get refusedCount(): number {
    return this.connections.refused
  }

  /** Takes no more connections, closes idle ones and lets answers under way end theirs. */
  drain(): void {
    this.isDraining = true
    for (const server of this.servers) {
      // Whoever waits in a socket that outlives this process is taken by the next.
      if (this.adopted.has(server)) server.close()
      else closeQuietly(server)
    }
    this.http2.drain()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    if (!this.isDraining) this.drain()
    this.ticketTimer?.clear()
    this.http2.destroy()
    this.http1.close()
    this.plain.close()
    this.connections.destroy()
    await Promise.all(this.servers.map(server => (server.listening ? once(server, 'close') : undefined)))
  }

  private rotateTicketKeys(): void {
    this.tls.setTicketKeys(randomBytes(TICKET_KEYS_BYTES))
    this.ticketTimer = this.options.clock.after(TICKET_KEYS_MS, () => this.rotateTicketKeys())
  }

  private async bind({ port, addresses }: Listen, kind: Kind): Promise<number> {
    let bound = port
    for (const address of addresses) {
      const server = this.listener(kind)
      server.listen({ port: bound, host: address, backlog: BACKLOG })
      try {
        await once(server, 'listening')
      } catch (error) {
        // A machine without IPv6 can do without the second loopback address.
        if (isMissingAddress(error) && address !== addresses[0]) continue
        throw error
      }
      this.servers.push(server)
      bound = (server.address() as AddressInfo).port
    }
    return bound
  }

  private async adopt(fd: number, https: number, http: number, found: { https?: number; http?: number }) {
    // What it is for is known by its port, and its port once it listens.
    let kind: Kind | undefined
    const server = this.listener(() => kind)
    server.listen({ fd, backlog: BACKLOG })
    await once(server, 'listening')
    this.servers.push(server)
    this.adopted.add(server)
    const { port } = server.address() as AddressInfo
    if (port === https) kind = 'https'
    else if (port === http) kind = 'http'
    if (kind !== undefined) found[kind] = port
    else this.options.log.error('a socket was handed over for a port that is not ours', { port, https, http })
  }

  private listener(kind: Kind | (() => Kind | undefined)): Server {
    return createNetServer({ allowHalfOpen: true, noDelay: true }, socket => {
      guarded(socket)
      socket.setKeepAlive(true, keepAliveDelayMs())
      const what = typeof kind === 'string' ? kind : kind()
      if (what === undefined) {
        socket.destroy()
        return
      }
      const verdict = this.connections.admit(socket, what === 'https')
      if (verdict === 'refused') return
      // One over a limit shakes hands first: it may be a client's link, and words are for those who can read them.
      if (what === 'https') {
        // TLS on top takes this over: who closes its side while shaking hands is gone.
        socket.allowHalfOpen = false
        this.tls.emit('connection', socket)
      } else if (verdict === 'welcome') this.plain.accept(socket)
      else turnAway(socket, verdict)
    })
  }

  private contextFor(name: string, call: (error: Error | null, context?: SecureContext) => void): void {
    try {
      this.options.keyring.contextFor(name.toLowerCase(), call)
    } catch (error) {
      this.options.log.error('certificate could not be chosen', { name, error: String(error) })
      call(error instanceof Error ? error : new Error('no certificate'))
    }
  }

  private secured(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy())
    const isLink = serverNameOf(socket) === `link.${this.options.baseDomain}`
    // HTTP/2 has no half-closed connections: a peer that closed its side is gone, and so are its streams.
    const isHttp2 = isLink || socket.alpnProtocol === 'h2'
    socket.allowHalfOpen = !isHttp2
    // Visitors never keep a client out: without it, nothing here is worth visiting.
    const turnedAway = this.connections.turnedAwayFor(socket)
    this.connections.secured(socket, isHttp2)
    if (isLink) this.options.acceptLink(socket)
    else if (turnedAway !== undefined && socket.alpnProtocol !== 'h2') turnAway(socket, turnedAway)
    else if (socket.alpnProtocol === 'h2') this.http2.server.emit('connection', socket)
    else this.http1.accept(socket)
  }

  private visitorOf(socket: Socket): Visitor {
    const known = this.visitors.get(socket)
    if (known !== undefined) return known
    const { remoteAddress, remotePort, localPort } = socket
    const isTrusted = this.options.proxies.trusts(remoteAddress ?? '')
    const use = this.options.limits.useOf(remoteAddress ?? '')
    const visitor = visitorOf(remoteAddress, remotePort, localPort, schemeOf(socket), use, isTrusted)
    this.visitors.set(socket, visitor)
    return visitor
  }

  /** To the same host and path on https, with the method kept (RFC 9110 section 15.4.9). */
  private readonly redirect = (host: string, target: string): string => {
    const port = this.httpsPort === 443 ? '' : `:${this.httpsPort}`
    return `https://${host}${port}${target.startsWith('/') ? target : '/'}`
  }
}

/** Tells a visitor over HTTP/1 why it is not served; whatever it asks for, it need not be read for that. */
function turnAway(socket: Socket, code: TurnedAway): void {
  const { status, headers, body } = replyFor(code, { detail: TURNED_AWAY_DETAIL[code] })
  const head = Buffer.from(headText(status, '', headers, 'connection: close\r\n'), 'latin1')
  endSocket(socket, Buffer.concat([head, body]))
}

function schemeOf(socket: Socket): Visitor['scheme'] {
  return 'encrypted' in socket ? 'https' : 'http'
}

/** A connection that breaks is its own business. */
function guarded(socket: Socket): Socket {
  socket.on('error', () => socket.destroy())
  return socket
}

function serverNameOf(socket: Socket): string | undefined {
  const { servername } = socket as { servername?: string | false }
  return typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined
}

/** This machine has no such address, or not even its family. */
export function isMissingAddress(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')
}
