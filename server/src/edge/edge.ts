// New connections: the TLS port, told apart by server name, and the plain port.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Clock, KIB, keepAliveDelayMs } from '@pbt/proto'
import type { TrustedProxies } from '../access/trusted-proxies.ts'
import type { VisitorLimits } from '../access/visitor-limits.ts'
import type { AccessSink } from '../observe/access-log.ts'
import type { Log } from '../observe/log.ts'
import type { Keyring } from '../relay/keyring.ts'
import { Connections, type TurnedAway } from './connections.ts'
import type { CookieIsolation } from './fields/cookies.ts'
import { visitorBehind } from './fields/forwarded.ts'
import { type Visitor, visitorOf } from './fields/headers.ts'
import { isProxyField, plainNameOf } from './fields/proxy-fields.ts'
import { headText } from './http1/answer-text.ts'
import { Http1 } from './http1/http1.ts'
import type { ChallengeAnswer } from './http1/http1-options.ts'
import { createHttp2 } from './http2/http2.ts'
import { closeQuietly } from './quiet-close.ts'
import { readInBulk } from './read-in-bulk.ts'
import { replyFor, TURNED_AWAY_DETAIL } from './replies.ts'
import { endSocket } from './reset.ts'
import { adminHost, Router, type Tunnels } from './router.ts'
import { Tls } from './tls.ts'

/** Connections that wait for the process to take them. */
const BACKLOG = 4_096
/** What a plain connection that is read or written holds before it waits: Node's own measure. */
const PLAIN_BUFFER_BYTES = 64 * KIB

/** What the edge is given. Sockets passed to a callback have completed TLS and belong to its owner. */
export interface EdgeOptions {
  readonly baseDomain: string
  readonly tunnels: Tunnels
  readonly keyring: Keyring
  /** The port that visitors dial for TLS; 0 or none: the one that is bound. */
  readonly publicHttpsPort?: number
  /** Takes a TLS connection that came for the link. */
  readonly acceptLink: (socket: TLSSocket) => void
  /** Takes a TLS connection that came for the admin host. */
  readonly acceptAdmin: (socket: TLSSocket) => void
  /** Whether the plain port serves tunnels instead of sending visitors to https. */
  readonly servesPlainHttp: boolean
  /** What a CA that looks for a token on the plain port is to get. */
  readonly challenge?: ChallengeAnswer
  /** 0 for none. */
  readonly responseTimeoutMs: number
  /** Bytes a second that a request's body has to bring where room is short; 0 for no such limit. */
  readonly leastBodyRate: number
  /** The owner's reverse proxies. */
  readonly proxies: TrustedProxies
  /** Undefined: tunnels may set cookies for each other. */
  readonly cookies?: CookieIsolation | undefined
  /** Shared with the ports of TCP tunnels. */
  readonly limits: VisitorLimits
  readonly clock: Clock
  readonly access: AccessSink
  readonly log: Log
}

/** One port on each of these addresses; port 0 lets the system choose. */
export interface Listen {
  readonly port: number
  readonly addresses: readonly string[]
}

/** What a port is for. */
type Kind = 'https' | 'http'

/** The HTTP and HTTPS ports. Each connection goes to a tunnel, the link or the admin host, by its server name. */
export class Edge {
  private readonly options: EdgeOptions
  private readonly connections: Connections
  private readonly servers: Server[] = []
  private readonly adopted = new Set<Server>()
  private readonly visitors = new WeakMap<Socket, Visitor>()
  private readonly http1: Http1
  private readonly plain: Http1
  private readonly http2: ReturnType<typeof createHttp2>
  private readonly tls: Tls
  /** What the names of this process's connections begin with: clients may have those of another server at the same time. */
  private readonly processName = randomBytes(6).toString('base64url')
  private named = 0
  private isDraining = false
  private bound = { https: 443, http: 80 }

  constructor(options: EdgeOptions) {
    this.options = options
    const { limits, clock, log } = options
    for (const field of options.proxies.fields) {
      if (!isProxyField(plainNameOf(field))) log.warn('proxy-fields has a field that any visitor may set', { field })
    }
    this.connections = new Connections({ limits, clock, log })
    const router = new Router({
      baseDomain: options.baseDomain,
      tunnels: options.tunnels,
      covers: (serverName, host) => options.keyring.covers(serverName || undefined, host),
      limits,
      cookies: options.cookies,
    })
    const common = {
      router,
      visitorOf: (socket: Socket) => this.visitorOf(socket),
      visitorBehind: (connection: Visitor, fields: readonly string[]) =>
        visitorBehind(connection, fields, options.proxies, address => limits.useOf(address)),
      serverNameOf,
      responseTimeoutMs: options.responseTimeoutMs,
      leastBodyRate: options.leastBodyRate,
      isScarce: () => limits.isScarce,
      isDraining: () => this.isDraining,
      access: options.access,
    }
    this.http1 = new Http1(common)
    const { challenge, servesPlainHttp } = options
    const redirect = { isForAll: !servesPlainHttp, to: this.redirect }
    this.plain = new Http1({ ...common, redirect, ...(challenge && { challenge }) })
    this.http2 = createHttp2({
      ...common,
      turnedAwayFor: socket => this.connections.turnedAwayFor(socket),
      abused: (address, what) => this.connections.abused(address, what),
    })
    this.tls = new Tls({ keyring: options.keyring, secured: socket => this.secured(socket), clock, log })
  }

  /**
   * Opens the ports; `ports` tells which. `inherited`: descriptors of listening sockets, which serve the
   * port they are bound to; a port that none is for is opened here.
   */
  async listen(https: Listen, http: Listen, inherited: readonly number[] = []): Promise<void> {
    const found: { https?: number; http?: number } = {}
    for (const fd of inherited) await this.adopt(fd, https.port, http.port, found)
    this.bound.https = found.https ?? (await this.bind(https, 'https'))
    this.bound.http = found.http ?? (await this.bind(http, 'http'))
  }

  /** The ports that are bound. */
  get ports(): { readonly https: number; readonly http: number } {
    return { ...this.bound }
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
      // Connections waiting in a socket that outlives this process are accepted by the next.
      if (this.adopted.has(server)) server.close()
      else closeQuietly(server)
    }
    this.http2.drain()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    if (!this.isDraining) this.drain()
    this.tls.close()
    this.http2.destroy()
    this.http1.close()
    this.plain.close()
    this.connections.destroy()
    await Promise.all(this.servers.map(server => (server.listening ? once(server, 'close') : undefined)))
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
    else this.options.log.error('an inherited socket is for a port that is not configured', { port, https, http })
  }

  private listener(kind: Kind | (() => Kind | undefined)): Server {
    return createServer({ allowHalfOpen: true, noDelay: true }, accepted => {
      const what = typeof kind === 'string' ? kind : kind()
      const socket = guarded(what === 'http' ? readInBulk(accepted, PLAIN_BUFFER_BYTES) : accepted)
      socket.setKeepAlive(true, keepAliveDelayMs())
      if (what === undefined) {
        socket.destroy()
        return
      }
      const verdict = this.connections.admit(socket, what === 'https')
      if (verdict === 'refused') return
      // One over a limit completes its handshake first: it may be a client's link, and only then can an answer be read.
      if (what === 'https') this.tls.accept(socket)
      else if (verdict === 'welcome') this.plain.accept(socket)
      else turnAway(socket, verdict)
    })
  }

  private secured(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy())
    const serverName = serverNameOf(socket)
    const isLink = serverName === `link.${this.options.baseDomain}`
    const isAdmin = serverName === adminHost(this.options.baseDomain)
    // HTTP/2 has no half-closed connections: a peer that closed its side is gone, and so are its streams.
    const isHttp2 = isLink || socket.alpnProtocol === 'h2'
    socket.allowHalfOpen = !isHttp2
    // Visitors never keep a client out: without it, nothing here is worth visiting.
    const turnedAway = this.connections.turnedAwayFor(socket)
    this.connections.secured(socket, isHttp2)
    if (isLink) this.options.acceptLink(socket)
    else if (isAdmin && turnedAway === undefined) this.options.acceptAdmin(socket)
    else if (turnedAway !== undefined && socket.alpnProtocol !== 'h2') turnAway(socket, turnedAway)
    else if (socket.alpnProtocol === 'h2') this.http2.server.emit('connection', socket)
    else this.http1.accept(socket)
  }

  private visitorOf(socket: Socket): Visitor {
    const known = this.visitors.get(socket)
    if (known !== undefined) return known
    const { remoteAddress, remotePort } = socket
    const { proxies, limits } = this.options
    const believed = proxies.trusts(remoteAddress ?? '') ? proxies.fields : undefined
    const use = limits.useOf(remoteAddress ?? '')
    const name = this.processName + (this.named++).toString(36)
    const visitor = visitorOf(remoteAddress, remotePort, schemeOf(socket), name, use, believed)
    this.visitors.set(socket, visitor)
    return visitor
  }

  /** To the same host and path on https, with the method kept (RFC 9110 section 15.4.9); the panel is nowhere else. */
  private readonly redirect = (host: string, target: string): string | undefined => {
    const { servesPlainHttp, baseDomain } = this.options
    if (servesPlainHttp && host !== adminHost(baseDomain)) return undefined
    const port = this.options.publicHttpsPort || this.bound.https
    return `https://${host}${port === 443 ? '' : `:${port}`}${target.startsWith('/') ? target : '/'}`
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

/** '' when the visitor named none; undefined without TLS. */
function serverNameOf(socket: Socket): string | undefined {
  if (schemeOf(socket) === 'http') return undefined
  const { servername } = socket as { servername?: string | false | null }
  return (servername || '').toLowerCase()
}

/** This machine has no such address, or not even its family. */
export function isMissingAddress(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')
}
