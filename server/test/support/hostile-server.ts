// A server that speaks the link by hand, so that it can say what no honest one would: what it does on each call is the test's.
import { once } from 'node:events'
import {
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { openDevelopmentAuthority } from '../../src/certs/development-authority.ts'
import { DevelopmentSource } from '../../src/certs/development-source.ts'
import { batchOf, type FrameInit, grpcMessage, HandmadeLink, type WelcomeInit } from './handmade-link.ts'
import { scratch } from './programs.ts'

const WAIT_MS = 30_000
const WINDOW_BYTES = 8 * 1024 * 1024

/** One call of a client and everything that the client said on it. */
export class HostileCall extends HandmadeLink {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    super(WAIT_MS)
    this.stream = stream
    this.headers = headers
    stream.on('data', (chunk: Buffer) => this.read(chunk))
    stream.on('error', () => {})
    for (const event of ['end', 'close']) stream.on(event, () => this.ended())
  }

  /** Takes the call, as gRPC does before the first message. */
  accept(): void {
    this.stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' })
  }

  /** Sends the bytes as they are. False: it is time to wait. */
  write(bytes: Uint8Array): boolean {
    return this.stream.destroyed || this.stream.write(bytes)
  }

  /** Sends the bytes as one message. */
  send(message: Uint8Array): void {
    this.write(grpcMessage(message))
  }

  /** Sends frames of the link itself. */
  tell(...frames: readonly FrameInit[]): void {
    this.send(batchOf(0, this.received, frames))
  }

  /** Writes the same again and again until the client has left. */
  async flood(bytes: Uint8Array): Promise<void> {
    while (!this.isOver) {
      if (!this.write(bytes)) await Promise.race([once(this.stream, 'drain'), this.over()])
      else await new Promise(setImmediate)
    }
  }

  welcome(overrides: WelcomeInit = {}): void {
    const value = { major: 1, agent: 'hostile/1', sessionId: Buffer.alloc(16), graceMs: 30_000, ...overrides }
    this.tell({ body: { case: 'welcome', value } })
  }

  /** Takes the call and serves the client's tunnel. */
  async open(): Promise<void> {
    this.accept()
    this.welcome()
    const { tunnel } = (await this.frame('openTunnel')).value
    this.say({ body: { case: 'tunnelOpened', value: { tunnel, name: 'app', urls: ['https://app.localhost'] } } })
  }

  /** The client has left. */
  async over(): Promise<void> {
    await this.until(() => (this.isOver ? true : undefined), 'end of the call')
  }
}

/** A server on a free port of 127.0.0.1. `onCall` gets each call after its hello. */
export async function hostileServer(t: TestContext, onCall: (call: HostileCall) => void) {
  const authority = openDevelopmentAuthority(scratch(t))
  const keyring = new DevelopmentSource(authority)
  const server = createSecureServer({
    SNICallback: (name, call) => call(null, keyring.contextFor(name)),
    settings: { initialWindowSize: WINDOW_BYTES },
  })
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const call = new HostileCall(stream, headers)
    call.frame('hello').then(
      () => onCall(call),
      () => stream.close(constants.NGHTTP2_CANCEL),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, ca: authority.file }
}
