// A service over HTTP/2 behind a gate, a forwarder to it with a clock of the test's, and requests without a session.
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream, type Settings } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { after, type TestContext } from 'node:test'
import { type Channel, PbtError, type RequestHead } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import { parseTarget } from '../../../config/target.ts'
import type { Forwarder } from '../../forwarder.ts'
import { Places } from '../../places.ts'
import { createHttp2Forwarder } from '../forwarder.ts'

export interface AskOptions {
  /** The visitor takes nothing more after the first piece. */
  readonly isStuck?: boolean
  /** More follows the head. */
  readonly hasBody?: boolean
  readonly upgrade?: string
  readonly headers?: readonly string[]
}

/** A request and what came back. */
export class Asked {
  readonly channel: Channel
  status = 0
  headers: readonly string[] = []
  body = ''
  outcome = ''
  /** Credit that was given for the request's body. */
  credit = 0
  private readonly events = new EventEmitter()

  constructor(forwarder: Forwarder, path: string, options: AskOptions) {
    const { isStuck = false, hasBody = false, upgrade = '', headers = [] } = options
    const over = (outcome: string) => {
      this.outcome ||= outcome
      this.events.emit('over')
    }
    this.channel = channelStub({
      kind: 'http',
      sendHead: head => {
        this.status = head.status
        this.headers = head.headers
      },
      write: chunk => {
        this.body += Buffer.from(chunk).toString('latin1')
        return !isStuck
      },
      consumed: bytes => {
        this.credit += bytes
      },
      sendTrailers: () => over('whole'),
      end: () => over('whole'),
      reset: (code, message) => over(`${code}: ${message}`),
    })
    const method = hasBody ? 'POST' : 'GET'
    const fields = ['host', 'app.localhost', ...headers]
    const head: RequestHead = {
      tunnel: 0,
      method,
      target: path,
      headers: fields,
      upgrade,
      visitor: '127.0.0.1:1',
      connection: '',
    }
    forwarder.accept(this.channel, { kind: 'http', head }, !hasBody && upgrade === '')
  }

  /** How it ended. */
  async over(): Promise<string> {
    if (this.outcome === '') await once(this.events, 'over')
    return this.outcome
  }

  send(chunk: Buffer): void {
    this.channel.handler.onData?.(chunk, false)
  }

  leave(): void {
    this.channel.handler.onReset(new PbtError('cancelled', 'the visitor went away'))
  }
}

/** Waits until it holds, in turns of the event loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

/** An echo, and how often it is asked: each time there and back, and more often than a ping through the gate takes. */
const echo = createTcpServer({ noDelay: true }, socket => socket.pipe(socket)).listen(0, '127.0.0.1')
const marker = once(echo, 'listening').then(() =>
  connect((echo.address() as AddressInfo).port, '127.0.0.1').setNoDelay(),
)
const ROUND_TRIPS = 6

after(async () => {
  ;(await marker).destroy()
  echo.close()
})

/** Lets what is under way on sockets arrive. */
export async function settled(): Promise<void> {
  const socket = await marker
  for (let count = 0; count < ROUND_TRIPS; count++) {
    socket.write('x')
    await once(socket, 'data')
  }
}

/** Time goes by, and sockets keep up with it. */
export async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(left, 1_000))
    await settled()
  }
}

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

const fine: OnStream = stream => {
  stream.respond({ ':status': 200 })
  stream.end('fine')
}

/**
 * A service whose `/held` waits to be answered, and anything else gets `serve`. Connections pass a gate: a socket of `sockets`
 * that is paused lets nothing of the client's through, and nobody is told. `open`: streams that are not over.
 */
export async function service(t: TestContext, settings: Settings = {}, serve: OnStream = fine) {
  const held: ServerHttp2Stream[] = []
  const open = new Set<ServerHttp2Stream>()
  let pings = 0
  const server = createServer({ settings })
  server.on('sessionError', () => {})
  server.on('session', session => {
    session.on('error', () => {})
    session.on('ping', () => pings++)
    t.after(() => session.destroy())
  })
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    open.add(stream)
    stream.on('error', () => {})
    stream.once('close', () => {
      open.delete(stream)
      if (held.includes(stream)) held.splice(held.indexOf(stream), 1)
    })
    if (headers[':path'] === '/held') held.push(stream)
    else serve(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const sockets: Socket[] = []
  const gate = createTcpServer({ noDelay: true }, near => {
    const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
    sockets.push(near)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', chunk => to.write(chunk))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
    t.after(() => near.destroy())
  })
  gate.listen(0, '127.0.0.1')
  await once(gate, 'listening')
  t.after(() => gate.close())
  const port = (gate.address() as AddressInfo).port
  const answer = (stream: ServerHttp2Stream | undefined) => {
    stream?.respond({ ':status': 200 })
    stream?.end('late')
  }
  return { port, held, open, sockets, answer, pings: () => pings }
}

/** A forwarder to a port of this machine. */
export function forwarderTo(port: number, places = new Places(100)) {
  const clock = new FakeClock()
  const target = parseTarget(`127.0.0.1:${port}`)
  const options = { target, host: { kind: 'preserve' }, places, onRequest: () => {}, clock } as const
  const forwarder = createHttp2Forwarder(options)
  return { forwarder, clock, ask: (path = '/', more: AskOptions = {}) => new Asked(forwarder, path, more) }
}
