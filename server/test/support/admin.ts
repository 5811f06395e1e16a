// The admin API as outside programs call it: Connect JSON over HTTP/1.1 and HTTP/2, and gRPC by hand.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Cleaner, RunningServer } from './programs.ts'

/** What a call brought. */
export interface CallAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON, if it is. */
  readonly json: Record<string, unknown>
}

export interface CallOptions {
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is; else the request as JSON. */
  readonly body?: string | Buffer
  readonly method?: string
  /** The visitor's address. */
  readonly from?: string
  readonly host?: string
}

/** The usual fields of a call of Connect. */
const CONNECT = { 'content-type': 'application/json', 'connect-protocol-version': '1' }

/** Calls a method such as `TokenService/ListTokens` over HTTP/2, on a connection of its own. */
export async function callApi(
  t: Cleaner,
  server: RunningServer,
  method: string,
  request: unknown = {},
  options: CallOptions = {},
): Promise<CallAnswer> {
  const {
    token,
    headers = {},
    body = JSON.stringify(request),
    from,
    host = `admin.localhost:${server.https}`,
  } = options
  const session = connectHttp2(`https://localhost:${server.https}`, {
    ca: readFileSync(server.ca),
    servername: 'admin.localhost',
    ...(from === undefined ? {} : { localAddress: from }),
  } as Parameters<typeof connectHttp2>[1])
  session.on('error', () => {})
  t.after(() => session.destroy())
  const path = method.startsWith('/') ? method : `/pbt.admin.v1.${method}`
  return await request2(
    session,
    {
      ':method': options.method ?? 'POST',
      ':path': path,
      ':authority': host,
      ...CONNECT,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body,
  )
}

/** One request on a session; fields with an empty value are left out. */
export async function request2(
  session: ClientHttp2Session,
  fields: Record<string, string>,
  body: string | Buffer = '',
): Promise<CallAnswer> {
  const all = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
  const stream = session.request(all)
  const chunks: Buffer[] = []
  let status = 0
  let headers: Record<string, string> = {}
  const take = (fields: object) => {
    headers = { ...headers, ...(fields as Record<string, string>) }
    if (':status' in fields) status = Number(fields[':status'])
  }
  stream
    .on('response', take)
    .on('trailers', take)
    .on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('error', () => {})
  // A request without a body has ended already.
  const bytes: Uint8Array = typeof body === 'string' ? Buffer.from(body) : body
  if (bytes.length > 0) stream.end(bytes)
  else stream.end()
  await once(stream, 'close')
  const text = Buffer.concat(chunks).toString()
  return { status, headers, text, json: jsonIn(text) }
}

/** A TLS connection to the admin host, over which a test writes what it likes. */
export async function adminSocket(
  t: Cleaner,
  server: RunningServer,
  servername = 'admin.localhost',
): Promise<TLSSocket> {
  const socket = connectTls({
    port: server.https,
    host: '127.0.0.1',
    servername,
    ca: readFileSync(server.ca),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: servername.includes('localhost'),
  })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** Writes a request of HTTP/1.1 and tells all that came until the server closed, or the head and body of one answer. */
export async function rawAdmin(t: Cleaner, server: RunningServer, request: string | Buffer): Promise<string> {
  const socket = await adminSocket(t, server)
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.write(request)
  await once(socket, 'close')
  return text
}

function jsonIn(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
