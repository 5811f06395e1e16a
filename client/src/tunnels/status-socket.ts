// How processes of this machine that hold tunnels report their state: each has a socket that sends one snapshot to every
// connection, in a directory that only the owner can enter.
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import type { ProcessSnapshot, Status } from './events.ts'

const FOLDER = 'run'
const SOCKET = /^(\d{1,10})\.sock$/
/** Unix knows no longer paths of sockets (`sun_path` less its end, on macOS). */
const MAX_PATH_BYTES = 103
/** A process that is well answers at once. */
const ANSWER_MS = 2_000
/** Some hundred tunnels. */
const MAX_ANSWER_CHARS = 1 << 20

/** Answers until the function that is returned is called. Throws when the socket cannot be made. */
export function serveStatus(home: string, snapshot: () => ProcessSnapshot): () => void {
  const folder = join(home, FOLDER)
  const path = join(folder, `${process.pid}.sock`)
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new Error(`${path} is longer than the ${MAX_PATH_BYTES} bytes that the path of a socket may have`)
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  rmSync(path, { force: true }) // of a process that had this number before
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.setTimeout(ANSWER_MS, () => socket.destroy())
    socket.end(JSON.stringify(snapshot()))
  })
  server.on('error', () => rmSync(path, { force: true }))
  server.listen(path, () => chmodSync(path, 0o600))
  server.unref()
  return () => {
    server.close()
    rmSync(path, { force: true })
  }
}

/**
 * Asks all processes at once, in the order of their numbers; forgets those that are gone. Rejects with Failure `usage` when
 * their directory cannot be read.
 */
export async function askAll(home: string): Promise<Status[]> {
  const pids = socketsIn(join(home, FOLDER)).sort((left, right) => left - right)
  const answers = await Promise.all(pids.map(pid => ask(join(home, FOLDER, `${pid}.sock`), pid)))
  return answers.filter(status => status !== undefined)
}

function socketsIn(folder: string): number[] {
  try {
    return readdirSync(folder).flatMap(name => {
      const pid = SOCKET.exec(name)?.[1]
      return pid === undefined ? [] : [Number(pid)]
    })
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [] // nothing has ever run here
    throw new Failure('usage', `${folder} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cure: 'run "pbt status" as the user who runs the tunnels, or set PBT_HOME to their directory',
      cause,
    })
  }
}

function ask(path: string, pid: number): Promise<Status | undefined> {
  return new Promise(resolve => {
    const socket = connect({ path })
    let text = ''
    const silent = () => {
      clearTimeout(deadline)
      socket.destroy()
      resolve({ kind: 'silent', pid })
    }
    const deadline = setTimeout(silent, ANSWER_MS)
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.length > MAX_ANSWER_CHARS) silent()
    })
    socket.on('error', error => {
      clearTimeout(deadline)
      // The process was killed and could not remove its socket.
      const code = codeOf(error)
      if (code === 'ECONNREFUSED') rmSync(path, { force: true })
      resolve(code === 'ECONNREFUSED' || code === 'ENOENT' ? undefined : { kind: 'silent', pid })
    })
    socket.on('end', () => {
      clearTimeout(deadline)
      resolve(statusOf(text) ?? { kind: 'silent', pid })
    })
  })
}

function statusOf(text: string): Status | undefined {
  try {
    const snapshot = JSON.parse(text) as Partial<ProcessSnapshot> | null
    // Of another version, perhaps: what is shown has to be there.
    const isWhole = Array.isArray(snapshot?.tunnels) && snapshot.traffic !== undefined && snapshot.state !== undefined
    if (!isWhole) return undefined
    const { tunnels, ...rest } = snapshot as ProcessSnapshot
    const missing = { waiting: [], allowlists: [], fault: '', cure: '' }
    return { kind: 'answered', snapshot: { ...rest, tunnels: tunnels.map(tunnel => ({ ...missing, ...tunnel })) } }
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
