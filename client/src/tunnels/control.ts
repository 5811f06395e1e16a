// The control socket of a process that holds tunnels: a request in one line of JSON, answers in lines of JSON with the field names of
// `--json`, in a directory that only the owner can enter.
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Failure, failureOf } from '../failure.ts'

const FOLDER = 'run'
/** Unix knows no longer paths of sockets (`sun_path` less its end, on macOS). */
const MAX_PATH_BYTES = 103
/** The request comes at once; a reader who does not read for so long is given up. */
const SILENCE_MS = 10_000
/** A tunnel with the longest allowlist. */
const MAX_REQUEST_CHARS = 1 << 20
/** A reader of events who is this far behind is given up. */
const MAX_WAITING_BYTES = 1 << 20
/** All of them are the owner's; more would be a loop in a script. */
const MAX_ASKING = 64

/** The fields of a request, whatever they are. */
export type Request = Readonly<Record<string, unknown>>

/**
 * Answers a request, by telling objects that have `event`. `gone` aborts when nobody listens any more. Throws Failure for what
 * cannot be.
 */
export type Verb = (request: Request, tell: (event: object) => void, gone: AbortSignal) => Promise<void> | void

/** What may be asked, by the `request` that asks for it. */
export type Verbs = Readonly<Record<string, Verb>>

/** The directory of the sockets, one for each process by its number. */
export function socketFolder(home: string): string {
  return join(home, FOLDER)
}

/** Answers until the function that is returned is called. Throws when the socket cannot be made. */
export function serveControl(home: string, verbs: Verbs): () => void {
  const folder = socketFolder(home)
  const path = join(folder, `${process.pid}.sock`)
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(`${path} is longer than the ${MAX_PATH_BYTES} bytes that the path of a socket may have`)
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  rmSync(path, { force: true }) // of a process that had this number before
  const asking = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    asking.add(socket)
    socket.once('close', () => asking.delete(socket))
    serve(socket, verbs)
  })
  server.maxConnections = MAX_ASKING
  server.on('error', () => rmSync(path, { force: true }))
  server.listen(path, () => chmodSync(path, 0o600))
  server.unref()
  return () => {
    server.close()
    for (const socket of asking) socket.destroySoon()
    rmSync(path, { force: true })
  }
}

function serve(socket: Socket, verbs: Verbs): void {
  const gone = new AbortController()
  socket.on('error', () => {})
  socket.once('close', () => gone.abort())
  socket.setTimeout(SILENCE_MS, () => socket.destroy())
  socket.setEncoding('utf8')
  let text = ''
  const take = (chunk: string) => {
    text += chunk
    if (text.length > MAX_REQUEST_CHARS) socket.destroy()
    const end = text.indexOf('\n')
    if (end < 0) return
    socket.off('data', take)
    socket.resume()
    // It reads, or goes; the verb has its own time.
    socket.setTimeout(0)
    void answer(socket, text.slice(0, end), verbs, gone.signal)
  }
  socket.on('data', take)
}

async function answer(socket: Socket, line: string, verbs: Verbs, gone: AbortSignal): Promise<void> {
  const tell = (event: object) => {
    if (gone.aborted) return
    if (socket.writableLength > MAX_WAITING_BYTES) socket.destroy()
    else {
      const { event: name, ...fields } = event as { event?: unknown }
      socket.write(`${JSON.stringify({ event: name, time: new Date().toISOString(), ...fields })}\n`)
    }
  }
  try {
    const request = requestIn(line)
    const verb = Object.hasOwn(verbs, String(request.request)) ? verbs[String(request.request)] : undefined
    if (verb === undefined) {
      const known = Object.keys(verbs).join(', ')
      throw new Failure('usage', `unknown request ${JSON.stringify(request.request)}`, {
        cure: `ask for one of ${known}`,
      })
    }
    await verb(request, tell, gone)
  } catch (error) {
    const { code, message, cure } = failureOf(error)
    tell({ event: 'error', code, message, cure })
  }
  // One who neither reads nor goes is given up.
  socket.setTimeout(SILENCE_MS, () => socket.destroy())
  socket.destroySoon()
}

function requestIn(line: string): Request {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new Failure('usage', 'a request is one JSON object in a line', { cure: '{"request":"status"}', cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new Failure('usage', 'a request is one JSON object in a line', { cure: '{"request":"status"}' })
}
