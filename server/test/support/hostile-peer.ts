// A client that speaks the link by hand: gRPC over HTTP/2 over TLS without a gRPC library, so that it can say what no
// honest client would.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import type { TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Welcome } from '@pbt/proto/tunnel/v1'
import { batchOf, grpcMessage, HandmadeLink, type HelloInit } from './handmade-link.ts'
import type { RunningServer } from './programs.ts'

const PATH = '/pbt.tunnel.v1.TunnelService/Link'
const WAIT_MS = 60_000
const WINDOW_BYTES = 8 * 1024 * 1024

/** A TLS connection to the server under the link's name. */
export async function linkSocket(
  t: TestContext,
  server: RunningServer,
  options: { readonly alpn?: string; readonly localAddress?: string } = {},
): Promise<TLSSocket> {
  const { alpn = 'h2', localAddress = '127.0.0.1' } = options
  const socket = connectTls({
    ...{ port: server.https, host: localAddress.includes(':') ? '::1' : '127.0.0.1', localAddress },
    servername: 'link.localhost',
    ...{ ca: readFileSync(server.ca), ALPNProtocols: alpn === '' ? [] : [alpn] },
  })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** One call and everything the server said on it. */
export class HostilePeer extends HandmadeLink {
  readonly session: ClientHttp2Session
  readonly stream: ClientHttp2Stream
  status: number | undefined
  statusText = ''

  constructor(session: ClientHttp2Session, headers: OutgoingHttpHeaders) {
    super(WAIT_MS)
    this.session = session
    this.stream = session.request(headers)
    const status = (found: Readonly<Record<string, unknown>>) => {
      if (found['grpc-status'] === undefined) return
      this.status = Number(found['grpc-status'])
      this.statusText = decodeURIComponent(String(found['grpc-message'] ?? ''))
      this.wake()
    }
    this.stream.on('response', status)
    this.stream.on('trailers', status)
    this.stream.on('data', (chunk: Buffer) => this.read(chunk))
    this.stream.on('error', () => {})
    this.stream.on('close', () => this.ended())
  }

  /** Sends the bytes as one message. */
  send(message: Uint8Array): void {
    this.stream.write(grpcMessage(message))
  }

  hello(overrides: HelloInit = {}): void {
    const value = {
      major: 1,
      agent: 'hostile/1',
      machineId: 'm',
      clientId: 'm.1',
      generation: 1n,
      label: 'x',
      ...overrides,
    }
    this.send(batchOf(0, 0, [{ body: { case: 'hello', value } }]))
  }

  async welcome(overrides: HelloInit = {}): Promise<Welcome> {
    this.hello(overrides)
    return (await this.frame('welcome')).value
  }

  /** Says hello and opens an HTTP tunnel with this name. */
  async open(domain: string, overrides: HelloInit = {}): Promise<Welcome> {
    const welcome = await this.welcome(overrides)
    this.say({ body: { case: 'openTunnel', value: { tunnel: 1, kind: 1, domains: [domain], target: domain } } })
    await this.frame('tunnelOpened')
    return welcome
  }

  /** The code with which the server ended the session. */
  async goAway(): Promise<{ reason: number; message: string; reconnect: boolean }> {
    return (await this.frame('goAway')).value
  }

  /** The status of the call, once it is over; undefined when it has none. */
  async over(): Promise<number | undefined> {
    await this.until(() => (this.isOver || this.status !== undefined ? true : undefined), 'end of the call')
    return this.status
  }

  /** Breaks the connection. */
  cut(): void {
    this.session.destroy()
  }

  protected override get described(): string {
    return `status ${this.status} ${this.statusText}`
  }
}

export interface PeerOptions {
  /** Undefined: the right token. Empty: none. Several: a field for each. */
  readonly authorization?: string | string[]
  readonly localAddress?: string
  /** Besides the usual ones, or instead of them; empty: none. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A call on a connection of its own. */
export async function hostilePeer(
  t: TestContext,
  server: RunningServer,
  options: PeerOptions = {},
): Promise<HostilePeer> {
  const { authorization = `Bearer ${server.token}`, localAddress = '127.0.0.1', headers = {} } = options
  const socket = await linkSocket(t, server, { localAddress })
  // The types do not know yet that one may send a field twice that should come once.
  const lax: SecureClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => socket,
    settings: { initialWindowSize: WINDOW_BYTES },
    strictSingleValueFields: false,
  }
  const session = connectHttp2(`https://link.localhost:${server.https}`, lax)
  session.on('error', () => {})
  t.after(() => session.destroy())
  await once(session, 'connect')
  const fields = {
    ':method': 'POST',
    ':path': PATH,
    ':authority': 'link.localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization,
    ...headers,
  }
  return new HostilePeer(session, Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '')))
}
