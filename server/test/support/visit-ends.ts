// Visitors at every stage of what they can ask for, every way for them to end, and whether anything is left of them.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type FrameVisitor, frameVisitor } from './frame-visitor.ts'
import { gauges } from './gauges.ts'
import { DATA, END_STREAM, type Fields, GOAWAY, RST_STREAM, uint32, WINDOW_UPDATE } from './http2-frames.ts'
import { lastingPort } from './ports.ts'
import { descriptorsOf } from './process.ts'
import { type Cleaner, type Program, type RunningServer, startClient, startServer } from './programs.ts'
import { Relay } from './relay.ts'
import { type Stage, StageTarget } from './stage-target.ts'
import { type RawVisitor, rawVisitor } from './visitors.ts'

/** A second, and what a busy machine needs to tell. */
const OVER_MS = 2_500
const LOOK_MS = 25

export interface House {
  readonly server: RunningServer
  readonly client: Program
  readonly target: StageTarget
  readonly metrics: number
  readonly tcpPort: number
  readonly relay: Relay
  /** The client's files and sockets at the beginning. */
  readonly descriptors: number
}

/** An HTTP tunnel `app` and a TCP tunnel to one target, over a link that can be cut. */
export async function house(t: Cleaner): Promise<House> {
  const target = await new StageTarget().start(t)
  const metrics = await lastingPort()
  const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  const relay = new Relay()
  await relay.start(t, server.https)
  const specs = ['up', `http:${target.port},domain=app`, `tcp:${target.tcpPort}`]
  const { client } = await startClient(t, server, specs, { linkPort: relay.port })
  const online = () => client.events.find(({ event, kind }) => event === 'online' && kind === 'tcp')
  const { urls } = await client.until(online, 'the TCP tunnel')
  const tcpPort = Number(new URL(String((urls as unknown[])[0])).port)
  return { server, client, target, metrics, tcpPort, relay, descriptors: descriptorsOf(client.pid) }
}

/** Waits until nothing of a visit is left: channels, connections but the link, sockets of the client, requests at the target. */
export async function nothingLeft({ metrics, target, client, descriptors }: House, what: string): Promise<void> {
  let left = {}
  const isOver = async () => {
    left = {
      ...(await gauges(metrics)),
      sockets: Math.max(0, descriptorsOf(client.pid) - descriptors),
      requests: [...target.underWay.values()].sort(),
      tcp: target.tcp.size,
    }
    return Object.values(left).every(each => each === 0 || (Array.isArray(each) && each.length === 0))
  }
  await until(isOver, () => `${what}: left after ${OVER_MS} ms: ${JSON.stringify(left)}`)
}

export async function until(holds: () => Promise<boolean>, otherwise: () => string): Promise<void> {
  const deadline = performance.now() + OVER_MS
  for (;;) {
    // What a look sees is not older than its begin, however long it takes.
    const lookedAt = performance.now()
    if (await holds()) return
    if (lookedAt > deadline) assert.fail(otherwise())
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}

/** Everybody else is served as before. */
export async function othersAreServed(t: TestContext, { server }: House): Promise<void> {
  const visitor = await rawVisitor(t, server)
  visitor.send('GET /small HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
  await visitor.until(/ok$/)
  visitor.socket.destroy()
}

// HTTP/1.1, plain and over TLS.

const HEAD = 'Host: app.localhost\r\n'
const BODY = `${HEAD}Content-Length: 1000000\r\n\r\n`
const UPGRADE = `${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`

/** What a visitor has sent; `isAtTarget`: and the target knows of it; `begun`: and some of an answer has come. */
export const TEXTS: readonly (readonly [name: string, text: (path: string) => string, stage: Stage | undefined])[] = [
  ['no byte', () => '', undefined],
  ['a part of a head', path => `GET ${path} HTTP/1.1\r\nHost: app`, undefined],
  ['a request that waits', path => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`, 'hang'],
  ['a request that waits, with another behind it', path => `GET ${path} HTTP/1.1\r\n${HEAD}\r\nGET ${path}`, 'hang'],
  ['half a body', path => `POST ${path} HTTP/1.1\r\n${BODY}half`, 'hang'],
  ['a body that is not read', path => `POST ${path} HTTP/1.1\r\n${BODY}${'x'.repeat(900_000)}`, 'unread'],
  ['an answer begun', path => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`, 'begun'],
  ['an answer begun, half a body', path => `POST ${path} HTTP/1.1\r\n${BODY}half`, 'begun'],
  ['an event stream', path => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`, 'events'],
  ['an answer until the end', path => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`, 'until-close'],
  ['an upgrade that waits', path => `GET ${path} HTTP/1.1\r\n${UPGRADE}`, 'upgrade-hang'],
  ['an upgrade that waits, glued bytes', path => `GET ${path} HTTP/1.1\r\n${UPGRADE}glued`, 'upgrade-hang'],
  ['an upgrade', path => `GET ${path} HTTP/1.1\r\n${UPGRADE}`, 'upgrade'],
]
export const BEGUN: readonly (Stage | undefined)[] = ['begun', 'events', 'until-close', 'upgrade']

/** Over TLS the connection below is what ends without a word. */
export interface Connected {
  readonly socket: Socket
  /** The connection below, with TLS. */
  readonly tcp: Socket
}

export const ENDS = {
  FIN: ({ socket }: Connected) => socket.end(),
  gone: ({ tcp }: Connected) => tcp.destroy(),
  RST: ({ tcp }: Connected) => tcp.resetAndDestroy(),
}

export type Visit = (t: TestContext, server: RunningServer) => Promise<RawVisitor>
export type Text = (typeof TEXTS)[number]

/** A visitor at one of the stages. */
export async function atStage(
  t: TestContext,
  rooms: House,
  visit: Visit,
  [name, text, stage]: Text,
  turn = '',
): Promise<RawVisitor> {
  const visitor = await visit(t, rooms.server)
  const path = `/${stage}/${encodeURIComponent(name)}${turn}`
  visitor.send(text(path))
  if (stage !== undefined) await rooms.target.sees(path)
  if (BEGUN.includes(stage)) await visitor.until(/begun/)
  return visitor
}

/** A body that stands still keeps the end of the visitor's side behind it: only a reset is seen. */
export function isSeen([, , stage]: Text, end: string): boolean {
  return stage !== 'unread' || end !== 'FIN'
}

// HTTP/2, frames by hand.

export const fields = (method: string, path: string): Fields => [
  [':method', method],
  [':scheme', 'https'],
  [':path', path],
  [':authority', 'app.localhost'],
]

/** How a stream is opened, and at which stage the target keeps it. */
export const STREAMS: readonly (readonly [
  name: string,
  open: (visitor: FrameVisitor, path: string) => number,
  Stage,
])[] = [
  ['a request that waits', (visitor, path) => visitor.open(fields('GET', path)), 'hang'],
  ['a head without its end', (visitor, path) => visitor.open(fields('POST', path), false), 'hang'],
  ['half a body', (visitor, path) => withBody(visitor, path, 10), 'hang'],
  ['a body that is not read', (visitor, path) => withBody(visitor, path, 900_000), 'unread'],
  ['an answer begun', (visitor, path) => visitor.open(fields('GET', path)), 'begun'],
  ['an answer begun, half a body', (visitor, path) => withBody(visitor, path, 10), 'begun'],
  ['an event stream', (visitor, path) => visitor.open(fields('GET', path)), 'events'],
  ['an answer until the end', (visitor, path) => visitor.open(fields('GET', path)), 'until-close'],
]

function withBody(visitor: FrameVisitor, path: string, bytes: number): number {
  const stream = visitor.open(fields('POST', path), false)
  for (let left = bytes; left > 0; left -= 10_000) visitor.send(DATA, 0, stream, Buffer.alloc(Math.min(left, 10_000)))
  return stream
}

/** RFC 9113 section 7, and one that nobody knows. */
const CODES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99]

/** A connection whose windows are as large as the server makes them; before that they are small. */
export async function readyFrameVisitor(t: TestContext, server: RunningServer): Promise<FrameVisitor> {
  const visitor = await frameVisitor(t, server)
  await visitor.until(() => visitor.frames.some(({ type }) => type === WINDOW_UPDATE), 'the windows')
  return visitor
}

export type EndStreams = (visitor: FrameVisitor, streams: readonly number[], areWhole: boolean) => unknown
export const STREAM_ENDS: Readonly<Record<string, EndStreams>> = {
  ...Object.fromEntries(CODES.map((code): [string, EndStreams] => [`RST_STREAM with ${code}`, resetting(code)])),
  'END_STREAM, then RST_STREAM with 0': (visitor, streams, areWhole) => {
    if (!areWhole) for (const stream of streams) visitor.send(DATA, END_STREAM, stream)
    resetting(0)(visitor, streams, areWhole)
  },
  'GOAWAY and FIN': visitor => {
    visitor.send(GOAWAY, 0, 0, Buffer.concat([uint32(0), uint32(0)]))
    visitor.socket.end()
  },
  ...ENDS,
}

function resetting(code: number): EndStreams {
  return (visitor, streams) => {
    for (const stream of streams) visitor.send(RST_STREAM, 0, stream, uint32(code))
  }
}

// TCP.

const tcpVisit = (tcpPort: number) => (t: TestContext, server: RunningServer) =>
  rawVisitor(t, { ...server, http: tcpPort })

export async function tcpVisitor(t: TestContext, rooms: House): Promise<RawVisitor> {
  const visitor = await tcpVisit(rooms.tcpPort)(t, rooms.server)
  visitor.send('hello')
  await visitor.until(/hello/)
  return visitor
}
