// Stages of requests to a target over HTTP/2, a target that brings a request to each of them, and ways in which it ends.
import type { Socket } from 'node:net'
import { beginsRequest, TAKES_CONNECT, TargetConnection, type TargetFrame } from './frame-target.ts'
import { DATA, END_STREAM } from './http2-frames.ts'
import type { Cleaner } from './programs.ts'
import { rawTarget } from './targets.ts'
import type { RawVisitor } from './visitors.ts'
import { upgradeRequest } from './websocket.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000\r\n\r\n0123456789'
/** More than the window that a connection begins with (RFC 9113 section 6.9.2). */
const WINDOW_BYTES = 65_535
export const LONG_POST = `POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(300_000)}`
const CHESS = upgradeRequest().replace('Upgrade: websocket', 'Upgrade: chess/2')
/** RFC 9113 section 7. */
const [NO_ERROR, INTERNAL_ERROR, CANCEL] = [0, 2, 8]

/** A stage of a request: what a visitor sends, what the target answers, and when it is reached. */
export interface Stage {
  readonly name: string
  readonly request: string
  /** The target is silent from the beginning, or speaks HTTP/1.1. */
  readonly target?: 'silent' | 'http1'
  readonly serve: (connection: TargetConnection, stream: number) => unknown
  readonly isReached: (visitor: RawVisitor, target: Target) => boolean
}

export const STAGES: readonly Stage[] = [
  {
    name: 'waiting for the connection',
    request: GET,
    target: 'silent',
    serve: () => {},
    isReached: () => true,
  },
  { name: 'asked', request: GET, serve: () => {}, isReached: () => true },
  {
    name: 'body half sent',
    request: POST,
    serve: () => {},
    isReached: (_visitor, target) => target.lastBodyBytes === 10,
  },
  {
    name: 'body half sent, answer begun',
    request: POST,
    serve: (connection, stream) => connection.head(stream, 200).data(stream, 'event'),
    isReached: ({ text }, target) => /event/.test(text) && target.lastBodyBytes === 10,
  },
  {
    name: 'body held up by a window that stays shut',
    request: LONG_POST,
    serve: connection => {
      connection.answers = false
    },
    isReached: (_visitor, target) => target.lastBodyBytes === WINDOW_BYTES,
  },
  {
    name: 'interim answer',
    request: GET,
    serve: (connection, stream) => connection.head(stream, 103),
    isReached: ({ text }) => /^HTTP\/1\.1 103/.test(text),
  },
  {
    name: 'event stream',
    request: GET,
    serve: (connection, stream) => connection.head(stream, 200).data(stream, 'event'),
    isReached: ({ text }) => /event/.test(text),
  },
  {
    name: 'long answer within its length',
    request: GET,
    serve: (connection, stream) => {
      connection.head(stream, 200, [['content-length', '1000000']])
      for (let count = 0; count < 20; count++) connection.data(stream, Buffer.alloc(16_000, 'x'))
    },
    isReached: visitor => visitor.bytes > 100_000,
  },
  {
    name: 'WebSocket waiting',
    request: upgradeRequest(),
    serve: () => {},
    isReached: () => true,
  },
  {
    name: 'WebSocket open',
    request: upgradeRequest(),
    serve: (connection, stream) => connection.head(stream, 200).data(stream, 'event'),
    isReached: ({ text }) => /^HTTP\/1\.1 101[\s\S]*event/.test(text),
  },
  {
    name: 'other upgrade waiting',
    request: CHESS,
    target: 'http1',
    serve: () => {},
    isReached: () => true,
  },
]

export interface Target {
  readonly port: number
  /** Connections that speak HTTP/2, and those that speak HTTP/1.1, as long as they are open. */
  readonly sockets: Map<Socket, TargetConnection | undefined>
  readonly http1: Set<Socket>
  /** Requests and handshakes that came, and connections while it is silent. */
  readonly heard: number
  readonly open: number
  /** Of the latest request. */
  readonly lastBodyBytes: number
  stage: Pick<Stage, 'target' | 'serve'>
}

/** HTTP/2 by hand with extended CONNECT, and HTTP/1.1 that never answers, on one port. */
export async function anyTarget(t: Cleaner): Promise<Target> {
  const sockets: Target['sockets'] = new Map()
  const http1: Target['http1'] = new Set()
  let heard = 0
  const connections = () => [...sockets.values()].filter(each => each !== undefined)
  const onFrame = (connection: TargetConnection, frame: TargetFrame) => {
    if (beginsRequest(connection, frame)) {
      heard++
      made.stage.serve(connection, frame.stream)
    }
    // The end of the visitor's direction of a tunnel is answered with the other one's.
    else if (frame.type === DATA && (frame.flags & END_STREAM) !== 0 && connection.open.has(frame.stream)) {
      connection.data(frame.stream, '', true)
    }
  }
  const port = await rawTarget(t, socket => {
    sockets.set(socket, undefined)
    for (const event of ['end', 'close'])
      socket.once(event, () => {
        sockets.delete(socket)
        http1.delete(socket)
      })
    socket.on('end', () => socket.end())
    socket.once('data', (chunk: Buffer) => {
      if (made.stage.target === 'silent') {
        heard++
        return
      }
      if (chunk.toString('latin1').startsWith('PRI')) {
        sockets.set(socket, new TargetConnection(socket, [[TAKES_CONNECT, 1]], onFrame))
        socket.emit('data', chunk)
      } else {
        heard++
        http1.add(socket)
      }
    })
  })
  const made: Target = {
    port,
    sockets,
    http1,
    stage: { serve: (connection, stream) => connection.answer(stream, 'fine') },
    get heard() {
      return heard
    },
    get open() {
      return connections().reduce((sum, { open }) => sum + open.size, 0)
    },
    get lastBodyBytes() {
      const last = connections().at(-1)
      return last?.body(Math.max(0, ...last.open)).length ?? 0
    },
  }
  return made
}

export const TARGET_ENDS: readonly (readonly [name: string, end: (target: Target) => unknown])[] = [
  ...[NO_ERROR, INTERNAL_ERROR, CANCEL].map(
    code =>
      [
        `RST_STREAM with code ${code}`,
        (target: Target) => each(target, (to, stream) => to.reset(stream, code)),
      ] as const,
  ),
  ['GOAWAY with an error', target => each(target, to => to.goaway(2 ** 31 - 1, INTERNAL_ERROR))],
  ['FIN', ({ sockets }) => [...sockets.keys()].map(socket => socket.end())],
  ['RST', ({ sockets }) => [...sockets.keys()].map(socket => socket.resetAndDestroy())],
]

function each({ sockets }: Target, end: (connection: TargetConnection, stream: number) => unknown): void {
  for (const [socket, connection] of sockets) {
    if (connection === undefined) socket.destroy()
    else for (const stream of [...connection.open]) end(connection, stream)
  }
}
