// Stands in front of a test CA and answers in its place, changes what it says, or does nothing, as the test's rule has it.
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { createServer as createTlsServer, request } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Cleaner } from '../../support/programs.ts'
import type { Pebble } from './pebble.ts'

/** What a request of ACME is about, told by Pebble's paths; `''`: something else. */
export type Stage =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'newOrder'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'
  | 'renewalInfo'
  | ''

export interface SeenRequest {
  readonly stage: Stage
  readonly method: string
  readonly path: string
  /** What was signed: undefined for GET and HEAD, `''` for POST-as-GET. */
  readonly payload: string | undefined
  /** The protected header; undefined for GET and HEAD. */
  readonly header: Readonly<Record<string, unknown>> | undefined
  readonly userAgent: string
  /** Unix ms. */
  readonly at: number
}

export interface CaAnswer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: string
}

/** `hang`: no answer. `cut`: the connection ends, in the middle of the answer where there is one to cut. */
export type Fault =
  | (CaAnswer & { readonly kind: 'answer' })
  | { readonly kind: 'hang' | 'cut' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'change'; change(answer: CaAnswer): CaAnswer }

/** What happens to a request; undefined: the CA answers. */
export type Rule = (request: SeenRequest, seen: readonly SeenRequest[]) => Fault | undefined

export interface FaultProxy {
  readonly directory: string
  readonly seen: SeenRequest[]
  /** What happens from now on. */
  rule: Rule
  /** All requests of this stage. */
  of(stage: Stage): SeenRequest[]
}

/** Listens on a free port, with the certificate of the CA's own API; ended after the test. */
export async function startFaultProxy(t: Cleaner, ca: Pebble, rule: Rule = () => undefined): Promise<FaultProxy> {
  const seen: SeenRequest[] = []
  const timers = new Set<NodeJS.Timeout>()
  const server = createTlsServer({ key: ca.api.key, cert: ca.api.cert })
  const sockets = new Set<Socket>()
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: FaultProxy = {
    directory: `https://localhost:${(server.address() as AddressInfo).port}/dir`,
    seen,
    rule,
    of: stage => seen.filter(each => each.stage === stage),
  }
  server.on('request', async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await textOf(incoming).catch(() => undefined)
    if (body === undefined) return
    const current = seenFrom(incoming, body)
    seen.push(current)
    const fault = proxy.rule(current, seen)
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'cut' && body === '') return incoming.socket.destroy()
    if (fault?.kind === 'answer') return answer(response, await withNonce(ca, fault))
    const forward = async () => {
      const from: CaAnswer = await ask(ca, incoming, body).catch(error => ({
        status: 502,
        headers: {},
        body: String(error),
      }))
      if (fault?.kind === 'cut') {
        const { 'transfer-encoding': _encoding, ...headers } = from.headers
        response.writeHead(from.status, { ...headers, 'content-length': Buffer.byteLength(from.body) + 100 })
        response.write(from.body, () => incoming.socket.destroy())
      } else answer(response, fault?.kind === 'change' ? fault.change(from) : from)
    }
    if (fault?.kind !== 'slow') return await forward()
    timers.add(setTimeout(forward, fault.ms))
  })
  t.after(() => {
    for (const timer of timers) clearTimeout(timer)
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return proxy
}

/** An answer in place of the CA's. */
export function answerWith(status: number, body: string, headers: OutgoingHttpHeaders = {}): Fault {
  return { kind: 'answer', status, headers: { 'content-type': 'application/json', ...headers }, body }
}

/** A problem document (RFC 8555, 6.7) in place of the CA's answer. */
export function problem(status: number, type: string, detail: string, headers: OutgoingHttpHeaders = {}): Fault {
  const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail, status })
  return answerWith(status, body, { 'content-type': 'application/problem+json', ...headers })
}

/** The CA's JSON, changed; not its problem documents. */
export function changed(change: (value: Record<string, unknown>) => void): Fault {
  return {
    kind: 'change',
    change: from => {
      if (from.status >= 400) return from
      const value = JSON.parse(from.body)
      change(value)
      return { ...from, body: JSON.stringify(value) }
    },
  }
}

/** A rule by which the CA has ARI (RFC 9773), profiles and names for CAA, which Debian's Pebble has not; `next` goes before. */
export function modernCa(
  options: {
    /** The suggestion for a certificate's ARI identifier, in Unix ms. */
    readonly renewal?: (id: string) => { start: number; end: number; retryAfterSeconds?: number }
    readonly profiles?: Readonly<Record<string, string>>
    /** What CAA records call it. */
    readonly caaIdentities?: readonly string[]
  },
  next: Rule = () => undefined,
): Rule {
  return (current, seen) => {
    const fault = next(current, seen)
    if (fault !== undefined) return fault
    if (current.stage === 'directory') return { kind: 'change', change: from => modernDirectory(from, options) }
    if (current.stage !== 'renewalInfo' || options.renewal === undefined) return undefined
    const { start, end, retryAfterSeconds = 21_600 } = options.renewal(current.path.split('/').at(-1) ?? '')
    const suggestedWindow = { start: new Date(start).toISOString(), end: new Date(end).toISOString() }
    return answerWith(200, JSON.stringify({ suggestedWindow }), { 'retry-after': String(retryAfterSeconds) })
  }
}

function modernDirectory(from: CaAnswer, options: Parameters<typeof modernCa>[0]): CaAnswer {
  const directory = JSON.parse(from.body)
  if (options.renewal !== undefined) directory.renewalInfo = new URL('/renewal-info', directory.newNonce).href
  const { profiles, caaIdentities } = options
  directory.meta = { ...directory.meta, ...(profiles && { profiles }), ...(caaIdentities && { caaIdentities }) }
  return { ...from, body: JSON.stringify(directory) }
}

const STAGES: readonly (readonly [RegExp, Stage])[] = [
  [/^\/dir$/, 'directory'],
  [/^\/nonce-plz/, 'newNonce'],
  [/^\/sign-me-up/, 'newAccount'],
  [/^\/order-plz/, 'newOrder'],
  [/^\/my-order\//, 'order'],
  [/^\/authZ\//, 'authorization'],
  [/^\/chalZ\//, 'challenge'],
  [/^\/finalize-order\//, 'finalize'],
  [/^\/certZ\//, 'certificate'],
  [/^\/renewal-info\//, 'renewalInfo'],
]

function seenFrom(incoming: IncomingMessage, body: string): SeenRequest {
  const path = incoming.url ?? ''
  const jws = body === '' ? undefined : JSON.parse(body)
  const decoded = (text: string) => Buffer.from(text, 'base64url').toString()
  return {
    stage: STAGES.find(([pattern]) => pattern.test(path))?.[1] ?? '',
    method: incoming.method ?? '',
    path,
    payload: jws === undefined ? undefined : decoded(jws.payload),
    header: jws === undefined ? undefined : JSON.parse(decoded(jws.protected)),
    userAgent: incoming.headers['user-agent'] ?? '',
    at: Date.now(),
  }
}

function answer(response: ServerResponse, { status, headers, body }: CaAnswer): void {
  const { 'content-length': _length, ...others } = headers
  response.writeHead(status, others)
  response.end(body)
}

/** A real CA sends a nonce with a problem too. */
async function withNonce(ca: Pebble, from: CaAnswer): Promise<CaAnswer> {
  const nonce = await toCa(ca, '/nonce-plz', 'HEAD', {}, '').catch(() => undefined)
  return { ...from, headers: { ...from.headers, 'replay-nonce': nonce?.headers['replay-nonce'] ?? 'none' } }
}

function ask(ca: Pebble, incoming: IncomingMessage, body: string): Promise<CaAnswer> {
  return toCa(ca, incoming.url ?? '/', incoming.method ?? 'GET', incoming.headers, body)
}

function toCa(
  { api, apiPort }: Pebble,
  path: string,
  method: string,
  headers: OutgoingHttpHeaders,
  body: string,
): Promise<CaAnswer> {
  const where = { host: '127.0.0.1', servername: 'localhost', port: apiPort, ca: api.ca, agent: false } as const
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...where, path, method, headers: { ...headers, connection: 'close' } }, async from => {
      resolve({ status: from.statusCode ?? 0, headers: { ...from.headers }, body: await textOf(from) })
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
