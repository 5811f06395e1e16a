// Visitors from outside: exact bytes over TCP or TLS, and Node's own clients, always with an end.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { RunningServer } from './programs.ts'

const HOST = 'app.localhost'
const WAIT_MS = 60_000

/** A connection on which a test writes and reads exact bytes. */
export class RawVisitor {
  readonly socket: Socket
  /** The TCP connection: the same one without TLS. */
  readonly tcp: Socket
  text = ''
  bytes = 0
  isEnded = false
  error: Error | undefined
  private waiting: (() => void)[] = []

  constructor(socket: Socket, tcp = socket) {
    this.socket = socket
    this.tcp = tcp
    socket.on('data', chunk => {
      this.bytes += chunk.length
      this.text += chunk.toString('latin1')
      this.wake()
    })
    socket.on('end', () => {
      this.isEnded = true
      this.wake()
    })
    socket.on('error', error => {
      this.error = error
      this.wake()
    })
    socket.on('close', () => this.wake())
    socket.on('drain', () => this.wake())
  }

  send(text: string | Buffer): void {
    if (typeof text === 'string') this.socket.write(text, 'latin1')
    else this.socket.write(text)
  }

  /** Waits until what came so far matches. */
  async until(pattern: RegExp | (() => boolean)): Promise<string> {
    const holds = typeof pattern === 'function' ? pattern : () => pattern.test(this.text)
    await this.waitFor(holds, String(pattern))
    return this.text
  }

  /** Waits until the connection is over and tells how: `end` is a clean one. */
  async over(): Promise<'end' | 'cut'> {
    await this.waitFor(() => this.isEnded || this.socket.destroyed, 'the end')
    return this.isEnded && this.error === undefined ? 'end' : 'cut'
  }

  private async waitFor(holds: () => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    while (!holds()) {
      if (this.socket.destroyed && !holds())
        throw new Error(`connection over before ${what}: ${this.text.slice(0, 500)}`)
      if (deadline.aborted) throw new Error(`no ${what} within ${WAIT_MS} ms: ${this.text.slice(0, 500)}`)
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

/** A raw connection to the plain port; `from`: the visitor's address, one of 127.0.0.0/8. */
export async function rawVisitor(
  t: TestContext,
  server: Pick<RunningServer, 'http'>,
  from?: string,
): Promise<RawVisitor> {
  const socket = connectTcp({ port: server.http, host: '127.0.0.1', allowHalfOpen: true, ...fromAddress(from) })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawVisitor(socket)
}

function fromAddress(from: string | undefined) {
  return from === undefined ? {} : { localAddress: from }
}

export interface TlsVisit {
  readonly from?: string
  readonly protocol?: 'http/1.1' | 'h2'
}

/** A raw connection to the TLS port. */
export async function rawTlsVisitor(
  t: TestContext,
  server: RunningServer,
  servername = HOST,
  { from, protocol = 'http/1.1' }: TlsVisit = {},
): Promise<RawVisitor> {
  const tcp = connectTcp({ port: server.https, host: '127.0.0.1', ...fromAddress(from) })
  const socket = connectTls({ socket: tcp, servername, ca: readFileSync(server.ca), ALPNProtocols: [protocol] })
  tcp.on('error', () => {})
  t.after(() => tcp.destroy())
  await once(socket, 'secureConnect')
  return new RawVisitor(socket, tcp)
}

/** One HTTP/1.1 request on a connection of its own, and everything that came. */
export async function rawRequest(t: TestContext, server: Pick<RunningServer, 'http'>, text: string): Promise<string> {
  const visitor = await rawVisitor(t, server)
  visitor.send(text)
  await visitor.over()
  visitor.socket.destroy()
  return visitor.text
}

/** The status that a visitor of this host gets. */
export async function statusOf(
  t: TestContext,
  server: Pick<RunningServer, 'http'>,
  host: string,
  path = '/',
): Promise<string> {
  const visitor = await rawVisitor(t, server)
  visitor.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await visitor.until(/^HTTP\/1\.1 \d+ /)
  visitor.socket.destroy()
  return visitor.text.slice(9, 12)
}

/** A connection of an HTTP/2 visitor, closed after the test. */
export async function http2Visitor(
  t: TestContext,
  server: RunningServer,
  host = HOST,
  from?: string,
): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://${host}:${server.https}`, {
    ca: readFileSync(server.ca),
    // Node asks for one address when it is to come from a certain one.
    lookup: (_name, { all }, call) =>
      all ? call(null, [{ address: '127.0.0.1', family: 4 }]) : call(null, '127.0.0.1', 4),
    ...fromAddress(from),
    settings: { initialWindowSize: 1 << 20 },
  })
  // A server that is killed after the test resets it.
  session.on('error', () => {})
  t.after(() => session.destroy())
  await once(session, 'connect')
  return session
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly rawHeaders: readonly string[]
  readonly trailers: Readonly<Record<string, unknown>>
  readonly interim: readonly number[]
  readonly body: Buffer
}

/** One HTTP/2 request with its whole answer; rejects when the stream was cut. */
export async function http2Request(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string | string[]>>,
  body?: Buffer,
  trailers?: Readonly<Record<string, string>>,
): Promise<Answer> {
  const stream = session.request(
    { ':method': 'GET', ':path': '/', ...headers },
    { endStream: body === undefined, waitForTrailers: trailers !== undefined },
  )
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  if (body !== undefined) stream.end(body)
  return await new Promise<Answer>((resolve, reject) => {
    const chunks: Buffer[] = []
    const interim: number[] = []
    let answer: Pick<Answer, 'status' | 'headers' | 'rawHeaders'> | undefined
    let received: Answer['trailers'] = {}
    stream.setTimeout(WAIT_MS, () => stream.destroy(new Error('no answer in time')))
    stream.on('headers', found => interim.push(Number(found[':status'])))
    stream.on('response', (found, _flags, rawHeaders) => {
      answer = { status: Number(found[':status']), headers: found, rawHeaders }
    })
    stream.on('trailers', found => {
      received = found
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      if (answer === undefined || stream.aborted || stream.rstCode !== 0) {
        reject(new Error(`stream was cut with code ${stream.rstCode}`))
      } else resolve({ ...answer, trailers: received, interim, body: Buffer.concat(chunks) })
    })
  })
}
