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
import type { Frame } from '@pbt/proto/tunnel/v1'
import { openDevelopmentAuthority } from '../../src/certs/development-authority.ts'
import { DevelopmentKeyring } from '../../src/certs/development-keyring.ts'
import { batchIn, batchOf, type FrameInit, grpcMessage, type WelcomeInit } from './hostile-peer.ts'
import { scratch } from './programs.ts'

const WAIT_MS = 30_000
const WINDOW_BYTES = 8 * 1024 * 1024

type BodyOf<C> = Extract<Frame['body'], { case: C }>

/** One call of a client and everything that the client said on it. */
export class HostileCall {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  readonly frames: Frame[] = []
  isOver = false
  /** The highest number of a counted batch received. */
  private received = 0
  private number = 1
  private input = Buffer.alloc(0)
  private waiting: (() => void)[] = []

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream
    this.headers = headers
    stream.on('data', (chunk: Buffer) => this.read(chunk))
    stream.on('error', () => {})
    for (const event of ['end', 'close']) {
      stream.on(event, () => {
        this.isOver = true
        this.wake()
      })
    }
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

  /** Sends the frames in a counted batch. */
  say(...frames: readonly FrameInit[]): void {
    this.send(batchOf(this.number++, this.received, frames))
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

  /** The first frame with this body after the first `skip` of them; also after the end of the call. */
  async frame<C extends Frame['body']['case']>(name: C, skip = 0): Promise<BodyOf<C>> {
    const isWanted = (body: Frame['body']): body is BodyOf<C> => body.case === name
    return await this.until(
      () => this.frames.flatMap(({ body }) => (isWanted(body) ? [body] : []))[skip],
      `frame "${name}"`,
    )
  }

  /** The client has left. */
  async over(): Promise<void> {
    await this.until(() => (this.isOver ? true : undefined), 'end of the call')
  }

  private async until<T>(find: () => T | undefined, what: string): Promise<T> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (this.isOver || deadline.aborted) {
        throw new Error(`no ${what}, frames ${this.frames.map(({ body }) => body.case).join(' ')}`)
      }
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  private read(chunk: Buffer): void {
    this.input = Buffer.concat([this.input, chunk])
    while (this.input.length >= 5) {
      const length = this.input.readUInt32BE(1)
      if (this.input.length < 5 + length) break
      const batch = batchIn(this.input.subarray(5, 5 + length))
      this.input = this.input.subarray(5 + length)
      this.received = Math.max(this.received, Number(batch.number))
      this.frames.push(...batch.frames)
    }
    this.wake()
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

/** A server on a free port of 127.0.0.1. `onCall` gets each call after its hello. */
export async function hostileServer(t: TestContext, onCall: (call: HostileCall) => void) {
  const authority = openDevelopmentAuthority(scratch(t))
  const keyring = new DevelopmentKeyring(authority)
  const server = createSecureServer({
    SNICallback: (name, call) => keyring.contextFor(name, call),
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
