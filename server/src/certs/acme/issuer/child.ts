// Runs the library in a process of its own, which has nothing but its standard streams: whatever it does there ends one issuance.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire, findPackageJSON } from 'node:module'
import { constants, setPriority } from 'node:os'
import { dirname, extname, join, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { cleanWords, Failed } from './failed.ts'
import { type FromRunner, type Job, type ToRunner, VERBS } from './runner/messages.ts'

/** The program that the process runs; `.js` where the sources have been compiled. */
const RUNNER = fileURLToPath(new URL(`./runner/main${extname(import.meta.url)}`, import.meta.url))
/** Its heap; an order needs 25. */
const HEAP_MB = 96
/** Of what it prints, messages included; an order needs 10 KB. */
const MAX_OUTPUT = 1024 * 1024
const MAX_LINE = 64 * 1024
/** An order for 25 names with minutes of polling needs 300. */
const MAX_ASKED = 2_000
const MAX_ARGUMENT = 2_000
/** What is kept of its last words. */
const MAX_WORDS = 300

export interface LibraryRun {
  readonly job: Job
  /** Does what the library asks for; what it rejects with is what the run fails with when the library gives up. */
  handle(verb: (typeof VERBS)[number], argument: string): Promise<unknown>
  /** Kills the process. */
  readonly signal: AbortSignal
  /** Another program than the library's, with the same messages. */
  readonly runner?: string | undefined
}

/** Resolves when the library says that it has finished, and rejects with Failed otherwise; the process has ended by then. */
export async function runLibrary(run: LibraryRun): Promise<void> {
  const child = start(run.runner ?? RUNNER)
  const exited = once(child, 'exit').catch(() => {})
  try {
    await converse(child, run)
  } finally {
    child.kill('SIGKILL')
    if (child.pid !== undefined) await exited
  }
}

function start(runner: string): ChildProcess {
  const child = spawn(process.execPath, [...flagsFor(runner), runner], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  })
  const { pid } = child
  if (pid === undefined) return child
  try {
    // Visitors come first, and of all processes this one is the one to go when memory is short.
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
  } catch {
    // Neither is everywhere to be had.
  }
  return child
}

/** It may read its own program and the library with what that needs, and nothing else: no network, no writing, no process, no thread. */
function flagsFor(runner: string): string[] {
  const library = createRequire(import.meta.url).resolve('greenlock')
  const modules = library.slice(0, library.lastIndexOf(`${sep}node_modules${sep}`) + `${sep}node_modules${sep}`.length)
  const folders = [
    join(dirname(runner), '*'),
    ...['greenlock*', '@greenlock', '@root', 'cert-info', 'safe-replace'].map(each => join(modules, each)),
    join(modules, 'acme-http-01-standalone'),
  ]
  const packageFile = findPackageJSON(pathToFileURL(runner)) ?? []
  return [
    `--max-old-space-size=${HEAP_MB}`,
    '--disable-warning=DEP0040',
    '--disable-warning=DEP0169',
    '--permission',
    ...[...folders, packageFile].flat().map(each => `--allow-fs-read=${each}`),
  ]
}

/** Until the library has finished, has failed, or broke a rule. */
function converse(child: ChildProcess, run: LibraryRun): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let words = ''
  let cause: unknown
  const broke = (what: string) =>
    reject(new Failed({ code: 'process', stage: '', message: `the issuing process ${what}` }))
  const tell = (message: ToRunner) => child.stdin?.write(`${JSON.stringify(message)}\n`)
  const meet = async (message: FromRunner) => {
    if (message.kind === 'finished') return resolve()
    if (message.kind === 'failed')
      return cause === undefined
        ? broke(`failed: ${cleanWords(String(message.message)).slice(0, MAX_WORDS)}`)
        : reject(cause)
    const { id, verb, argument } = message
    if (!VERBS.includes(verb) || typeof argument !== 'string' || argument.length > MAX_ARGUMENT) {
      return broke('asked for what there is not')
    }
    try {
      tell({ kind: 'done', id, value: await run.handle(verb, argument) })
    } catch (error) {
      cause ??= error
      tell({ kind: 'failed', id, message: error instanceof Failed ? error.message : 'the server could not' })
    }
  }
  let asked = 0
  child.stdin?.on('error', () => {})
  if (child.stdout !== null) {
    readLines(child.stdout, broke, line => {
      const message = messageIn(line)
      if (message === undefined) return
      asked += 1
      if (asked > MAX_ASKED) broke('asked for too much')
      else void meet(message)
    })
  }
  if (child.stderr !== null)
    readLines(child.stderr, broke, line => {
      words = cleanWords(`${words} ${line}`).slice(0, MAX_WORDS)
    })
  child.once('error', error => broke(`does not start: ${error.message}`))
  child.once('close', (code, signal) =>
    broke(`ended early (${signal ?? `code ${code}`})${words === '' ? '' : `: ${words}`}`),
  )
  const stopped = () => reject(run.signal.reason)
  if (run.signal.aborted) stopped()
  run.signal.addEventListener('abort', stopped, { once: true })
  tell({ kind: 'job', job: run.job })
  return promise.finally(() => run.signal.removeEventListener('abort', stopped))
}

/** Each line of a stream whose writer may say anything, for ever, without an end of the line. */
function readLines(stream: Readable, broke: (what: string) => void, take: (line: string) => void): void {
  let rest = ''
  let size = 0
  stream.setEncoding('utf8')
  stream.on('error', () => {})
  stream.on('data', (text: string) => {
    size += text.length
    if (size > MAX_OUTPUT) {
      stream.destroy()
      return broke(`printed more than ${MAX_OUTPUT / 1024} KiB`)
    }
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, MAX_LINE)
    for (const line of lines) take(line)
  })
}

function messageIn(line: string): FromRunner | undefined {
  if (!line.startsWith('{"pbt":true,') || line.length > MAX_LINE) return undefined
  try {
    return JSON.parse(line) as FromRunner
  } catch {
    return undefined
  }
}
