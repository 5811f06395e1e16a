// Visitors of every kind against a busy target, each judged by what it got: whole, visibly failed, or wrong.
import { type EventEmitter, once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2'
import { request as requestTls, Agent as TlsAgent } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Cleaner } from './programs.ts'
import { hashOf, receive, send } from './streams.ts'
import { FrameReader, frame, upgradeRequest } from './websocket.ts'

/** `https`: each on a connection of its own; the others share connections as browsers do. */
export const KINDS = [
  'get',
  'https',
  'h2',
  'down',
  'chunked',
  'h2down',
  'up',
  'upchunked',
  'chat',
  'events',
  'tcp',
] as const
export type Kind = (typeof KINDS)[number]

export interface Outcome {
  readonly kind: Kind
  readonly id: number
  readonly size: Size
  /** Milliseconds of performance.now(). */
  readonly began: number
  readonly ended: number
  /** `failed`: the visitor saw that it failed. `wrong`: it took something for whole that was not its own or not all. */
  readonly state: 'whole' | 'failed' | 'wrong'
  readonly detail: string
}

export interface Place {
  readonly http: number
  readonly https: number
  readonly ca: string
  /** The public port of the TCP tunnel. */
  readonly tcp: number
  /** Where the server is, and what the tunnel is called; `app.localhost` on this machine by default, where the
   *  plain port serves too. `from`: the visitors' own addresses in turn. */
  readonly elsewhere?: { readonly address: string; readonly host: string; readonly from: readonly string[] }
}

/** How long the long kinds take, in pieces of 64 KiB and milliseconds between them; `chat` and `events` likewise. */
export interface Size {
  readonly pieces: number
  readonly paceMs: number
}

/** What a visitor noticed that must never be. */
class Wrong extends Error {}

const PIECE = 64 * 1024
const HERE = { address: '127.0.0.1', host: 'app.localhost', from: [] }
/** Nobody waits longer for the next byte: 30 s of grace time, and a restart. */
const SILENCE_MS = 60_000

export class Traffic {
  readonly outcomes: Outcome[] = []
  /** Visitors under way, by their id. */
  readonly open = new Map<number, Kind>()
  private readonly place: Place
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 512 })
  private readonly tlsAgent: TlsAgent
  /** By the visitors' own address. */
  private readonly sessions = new Map<string, ClientHttp2Session>()
  private readonly asksAgain: boolean
  private readonly address: string
  private readonly host: string
  private readonly from: readonly string[]
  private turn = 0
  private lastId = 0

  /**
   * Connections are ended after the test. `asksAgain`: as browsers do, a GET is asked once more, on a new connection, when the
   * one that it was to reuse ended before any answer, since a server may end an idle one just then (RFC 9112 section 9.3.1).
   */
  constructor(t: Cleaner, place: Place, asksAgain = false) {
    this.place = place
    const { address, host, from } = place.elsewhere ?? HERE
    this.address = address
    this.host = host
    this.from = from
    this.asksAgain = asksAgain
    this.tlsAgent = new TlsAgent({ keepAlive: false, ca: place.ca, maxCachedSessions: 0 })
    t.after(() => this.close())
  }

  /** One visitor; resolves, never rejects, when it is over. */
  async visit(kind: Kind, size: Size): Promise<Outcome> {
    const id = ++this.lastId
    const began = performance.now()
    this.open.set(id, kind)
    let state: Outcome['state'] = 'whole'
    let detail = ''
    try {
      await this.run(kind, id, size)
    } catch (error) {
      state = error instanceof Wrong ? 'wrong' : 'failed'
      detail = error instanceof Error ? `${error.message}` : String(error)
    }
    this.open.delete(id)
    const outcome = { kind, id, size, began, ended: performance.now(), state, detail }
    this.outcomes.push(outcome)
    return outcome
  }

  close(): void {
    this.agent.destroy()
    this.tlsAgent.destroy()
    for (const session of this.sessions.values()) session.destroy()
  }

  private async run(kind: Kind, id: number, { pieces, paceMs }: Size): Promise<void> {
    const bytes = pieces * PIECE
    switch (kind) {
      case 'get':
      case 'https':
        expect(await textOf(await this.ask(`/get/${id}`, 'GET', kind === 'https')), `${id} here`)
        return
      case 'h2':
        expect(await this.askHttp2(`/get/${id}`), `${id} here`)
        return
      case 'down':
      case 'chunked':
        await whole(await this.ask(`/${kind}/${id}/${bytes}/${paceMs}`), id, bytes)
        return
      case 'h2down':
        await whole(await this.streamHttp2(`/down/${id}/${bytes}/${paceMs}`), id, bytes)
        return
      case 'up':
      case 'upchunked':
        await this.upload(kind, id, bytes, paceMs)
        return
      case 'events': {
        const text = await textOf(await this.ask(`/events/${id}/${pieces}/${paceMs}`))
        expect(text, Array.from({ length: pieces }, (_, number) => `data: ${id} ${number}\n\n`).join(''))
        return
      }
      case 'chat':
        await chat(connect({ port: this.place.http, host: this.address }), id, pieces, paceMs, `/chat/${id}`)
        return
      case 'tcp':
        await chat(connect({ port: this.place.tcp, host: this.address }), id, pieces, paceMs)
    }
  }

  private async ask(path: string, method = 'GET', isTls = false, isSecond = false): Promise<IncomingMessage> {
    const { http, https, elsewhere } = this.place
    const common = { host: this.address, path, method, headers: { host: this.host } }
    const asking =
      isTls || elsewhere !== undefined
        ? requestTls({ ...common, ...this.own(), port: https, servername: this.host, agent: this.tlsAgent })
        : request({ ...common, port: http, agent: isSecond ? false : this.agent })
    asking.setTimeout(SILENCE_MS, () => asking.destroy(new Error('silence')))
    asking.on('error', () => {}) // also after the answer began; then the answer tells
    asking.end()
    try {
      const [response] = await once(asking, 'response')
      return response
    } catch (error) {
      const mayAgain = this.asksAgain && !isSecond && asking.reusedSocket && method === 'GET'
      if (mayAgain) return await this.ask(path, method, isTls, true)
      throw error
    }
  }

  private async upload(kind: 'up' | 'upchunked', id: number, bytes: number, paceMs: number): Promise<void> {
    const length = kind === 'up' ? { 'content-length': bytes } : {}
    const { http, https, elsewhere } = this.place
    const options = { host: this.address, path: `/up/${id}`, method: 'POST', headers: { host: this.host, ...length } }
    const asking =
      elsewhere === undefined
        ? request({ ...options, port: http, agent: this.agent })
        : requestTls({ ...options, ...this.own(), port: https, servername: this.host, agent: this.tlsAgent })
    asking.setTimeout(SILENCE_MS, () => asking.destroy(new Error('silence')))
    asking.on('error', () => {})
    const answered = once(asking, 'response').then(([response]: IncomingMessage[]) => {
      // An answer of the edge: nobody goes on sending.
      if (response?.statusCode !== 200) asking.destroy()
      if (response === undefined) throw new Error('no answer')
      return response
    })
    const [hash, response] = await Promise.all([send(asking, id, bytes, paceMs), answered])
    expect(await textOf(response), `${id} ${hash}`)
  }

  private async connected(): Promise<ClientHttp2Session> {
    const own = this.own()
    const { localAddress = '' } = own
    const known = this.sessions.get(localAddress)
    if (known !== undefined && !known.closed && !known.destroyed) return known
    const session = connectHttp2(`https://${this.host}:${this.place.https}`, {
      ...own,
      ca: this.place.ca,
      lookup: (_name, { all }, call) =>
        all ? call(null, [{ address: this.address, family: 4 }]) : call(null, this.address, 4),
    })
    this.sessions.set(localAddress, session)
    session.on('error', () => session.destroy())
    await happens(session, 'connect')
    return session
  }

  private own(): { localAddress?: string } {
    const localAddress = this.from[this.turn++ % this.from.length]
    return localAddress === undefined ? {} : { localAddress }
  }

  private async streamHttp2(path: string): Promise<ClientHttp2Stream> {
    const session = await this.connected()
    const stream = session.request({ ':path': path })
    stream.setTimeout(SILENCE_MS, () => stream.destroy(new Error('silence')))
    const [head] = await happens(stream, 'response').catch((error: unknown) => {
      // Nobody has looked at it, says the server: every visitor asks again (RFC 9113 section 8.7).
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && session.closed) return [undefined]
      throw error
    })
    if (head === undefined) return await this.streamHttp2(path)
    const headers = head as Readonly<Record<string, unknown>>
    if (headers[':status'] !== 200) throw new Error(await refusalOf(headers[':status'], headers['pbt-error'], stream))
    return stream
  }

  private async askHttp2(path: string): Promise<string> {
    let text = ''
    const stream = await this.streamHttp2(path)
    for await (const chunk of stream) text += chunk
    // As for long answers: see whole().
    if (stream.rstCode !== 0 || text === '') throw new Error(`stream cut with ${stream.rstCode}`)
    return text
  }
}

/** As `once`, and rejects when the thing is closed without an error. */
async function happens(emitter: EventEmitter, event: string): Promise<unknown[]> {
  const over = new AbortController()
  emitter.once('close', () => over.abort(new Error(`closed before ${event}`)))
  return await once(emitter, event, { signal: over.signal })
}

function expect(actual: string, expected: string): void {
  if (actual !== expected) throw new Wrong(`got ${actual.slice(0, 60)} (${actual.length}) for ${expected.slice(0, 60)}`)
}

async function whole(stream: Parameters<typeof receive>[0] & { statusCode?: number }, id: number, bytes: number) {
  if (stream.statusCode !== undefined) await refuse(stream as IncomingMessage)
  const got = await receive(stream)
  // Node does not tell the end of a stream from that of its connection; the length does (RFC 9113 section 8.1.1).
  if ('session' in stream && got.bytes < bytes) throw new Error(`${got.bytes} of ${bytes} bytes`)
  if (got.bytes !== bytes || got.hash !== hashOf(id, bytes))
    throw new Wrong(`${got.bytes} of ${bytes} bytes taken for whole`)
}

async function textOf(response: IncomingMessage): Promise<string> {
  await refuse(response)
  let text = ''
  for await (const chunk of response) text += chunk
  if (!response.complete) throw new Error('cut')
  return text
}

/** An answer of the edge is a failure that the visitor sees. */
async function refuse(response: IncomingMessage): Promise<void> {
  const { statusCode, headers } = response
  if (statusCode !== 200) throw new Error(await refusalOf(statusCode, headers['pbt-error'], response))
}

/** Status, code and the edge's words. */
async function refusalOf(status: unknown, code: unknown, body: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk
  return `${status} ${code}: ${text.split('\n')[0]}`
}

/** Numbered messages, the next when the one before is back; over a WebSocket when there is a path. */
async function chat(socket: Socket, id: number, count: number, paceMs: number, path?: string): Promise<void> {
  const reader = new FrameReader()
  let head = path === undefined ? undefined : ''
  let next = 0
  let timer: NodeJS.Timeout | undefined
  const message = () => Buffer.from(`${id}:${next}:${'x'.repeat(1000)}`)
  const say = () => socket.write(frame(message(), path !== undefined))
  socket.setNoDelay(true)
  socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('silence')))
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`cut at message ${next}`)))
      socket.on('end', () => reject(new Error(`ended at message ${next}`)))
      const hear = (chunk: Buffer) => {
        for (const payload of reader.push(chunk)) {
          if (!payload.equals(message())) reject(new Wrong(`heard ${payload.subarray(0, 30)} instead of ${id}:${next}`))
          if (++next === count) resolve()
          else timer = setTimeout(say, paceMs)
        }
      }
      socket.on('data', (chunk: Buffer) => {
        if (head === undefined) return hear(chunk)
        head += chunk.toString('latin1')
        if (!head.includes('\r\n\r\n')) return
        const [first = ''] = head.split('\r\n')
        head = undefined
        if (first.includes(' 101 ')) say()
        else reject(new Error(first))
      })
      if (path === undefined) say()
      else socket.write(upgradeRequest(path))
    })
  } finally {
    clearTimeout(timer)
    socket.removeAllListeners('close')
    socket.destroy()
  }
}
