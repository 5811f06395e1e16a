// Asks processes of this machine that hold tunnels, over their control sockets.
import { readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { type Request, socketFolder } from './control.ts'
import type { ProcessSnapshot, Status } from './events.ts'

const SOCKET = /^(\d{1,10})\.sock$/
/** A process that is well answers at once. */
const ANSWER_MS = 2_000
/** Some hundred tunnels. */
const MAX_LINE_CHARS = 1 << 20

/** One line of an answer. */
export type Told = Readonly<Record<string, unknown>>

/** How asking ended: all was told; nobody is there; it did not answer in time. */
export type Asked = 'answered' | 'gone' | 'silent'

/** Limits of one question. */
export interface AskOptions {
  /** Between two lines, milliseconds; `Infinity` for a stream of events. */
  readonly silenceMs?: number
  /** Ends it. */
  readonly signal?: AbortSignal
}

/** Sends the request to the process and tells each line of its answer. Never rejects. */
export function ask(
  home: string,
  pid: number,
  request: Request,
  onLine: (line: Told) => void,
  { silenceMs = ANSWER_MS, signal }: AskOptions = {},
): Promise<Asked> {
  const path = join(socketFolder(home), `${pid}.sock`)
  return new Promise(resolve => {
    const socket = connect({ path })
    let text = ''
    let deadline: NodeJS.Timeout | undefined
    const over = (asked: Asked) => {
      clearTimeout(deadline)
      signal?.removeEventListener('abort', stop)
      socket.destroy()
      resolve(asked)
    }
    const stop = () => over('answered')
    const wait = (ms: number) => {
      clearTimeout(deadline)
      deadline = Number.isFinite(ms) ? setTimeout(() => over('silent'), ms) : undefined
    }
    signal?.addEventListener('abort', stop, { once: true })
    wait(ANSWER_MS)
    socket.setEncoding('utf8')
    socket.once('connect', () => {
      wait(silenceMs)
      socket.write(`${JSON.stringify(request)}\n`)
    })
    socket.on('data', (chunk: string) => {
      wait(silenceMs)
      const lines = (text + chunk).split('\n')
      text = lines.pop() ?? ''
      if (text.length > MAX_LINE_CHARS) over('silent')
      for (const line of lines) {
        const told = toldIn(line)
        if (told !== undefined) onLine(told)
      }
    })
    socket.on('error', error => {
      // The process was killed and could not remove its socket.
      const code = codeOf(error)
      if (code === 'ECONNREFUSED') rmSync(path, { force: true })
      over(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'gone' : 'silent')
    })
    socket.on('end', () => over('answered'))
  })
}

/**
 * Asks all processes at once for their state, in the order of their numbers; forgets those that are gone. Rejects with Failure
 * `usage` when their directory cannot be read.
 */
export async function askAll(home: string): Promise<Status[]> {
  const pids = socketsIn(socketFolder(home)).sort((left, right) => left - right)
  const answers = await Promise.all(pids.map(pid => statusOf(home, pid)))
  return answers.filter(status => status !== undefined)
}

/** Of one process; undefined: it is gone. */
export async function statusOf(home: string, pid: number): Promise<Status | undefined> {
  let snapshot: ProcessSnapshot | undefined
  const asked = await ask(home, pid, { request: 'status' }, line => {
    snapshot = snapshotIn(line)
  })
  if (asked === 'gone') return undefined
  return snapshot === undefined ? { kind: 'silent', pid } : { kind: 'answered', snapshot }
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

function toldIn(line: string): Told | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** Of another version, perhaps: what is shown has to be there. */
function snapshotIn(line: Told): ProcessSnapshot | undefined {
  const { tunnels, traffic, state } = line
  if (line.event !== 'process' || !Array.isArray(tunnels) || traffic === undefined || state === undefined)
    return undefined
  const missing = { waiting: [], allowlists: [], urls: [], fault: '', cure: '', targetFault: '', isKilled: false }
  return { faults: [], isDaemon: false, ...line, tunnels: tunnels.map(tunnel => ({ ...missing, ...tunnel })) } as never
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
