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
import { type FromRunner, type Job, type ToRunner, VERBS, type Verb } from './runner/messages.ts'

/** The program that the process runs; `.js` where the sources have been compiled. */
const RUNNER = fileURLToPath(new URL(`./runner/main${extname(import.meta.url)}`, import.meta.url))
/** Its heap; an order needs 25. */
const HEAP_MB = 96
/** Of what it prints, messages included; an order needs 10 KB. */
const MAX_OUTPUT = 256 * 1024
const MAX_LINE = 64 * 1024
/** An order for 25 names with minutes of polling needs 300. */
const MAX_ASKED = 2_000
/** What it asks for at once: it goes step by step, but removes answers beside that. */
const MAX_UNDER_WAY = 30
const MAX_ARGUMENT = 2_000
/** What is kept of its last words. */
const MAX_WORDS = 300

export interface LibraryRun {
  readonly job: Job
  /** Does what the library asks for; what it rejects with is what the run fails with when the library gives up. */
  handle(verb: Verb, argument: string): Promise<unknown>
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
    // One core at most: the helpers of V8 would take the others from whoever serves.
    '--single-threaded',
    '--disable-warning=DEP0040',
    '--disable-warning=DEP0169',
    '--permission',
    ...[...folders, packageFile].flat().map(each => `--allow-fs-read=${each}`),
  ]
}

/** Until the library has finished, has failed, or broke a rule. */
async function converse(child: ChildProcess, run: LibraryRun): Promise<void> {
  const talk = new Talk(child, run)
  const stop = () => talk.fail(run.signal.reason)
  if (run.signal.aborted) stop()
  run.signal.addEventListener('abort', stop, { once: true })
  try {
    await talk.over
  } finally {
    run.signal.removeEventListener('abort', stop)
  }
}

/** What is said between the server and one process. */
class Talk {
  /** Resolves when the library has finished; rejects when it has failed, or was made to. */
  readonly over: Promise<void>
  private readonly end = Promise.withResolvers<void>()
  private readonly child: ChildProcess
  private readonly run: LibraryRun
  private words = ''
  private cause: unknown
  private asked = 0
  private underWay = 0
  private isOver = false

  constructor(child: ChildProcess, run: LibraryRun) {
    this.child = child
    this.run = run
    this.over = this.end.promise
    child.stdin?.on('error', () => {})
    this.read(child.stdout, line => this.hear(line))
    this.read(child.stderr, line => {
      if (this.words.length < MAX_WORDS) this.words = cleanWords(`${this.words} ${line.slice(0, MAX_WORDS)}`)
    })
    child.once('error', error => this.broke(`does not start: ${error.message}`))
    child.once('close', (code, signal) => {
      this.broke(`ended early (${signal ?? `code ${code}`})${this.words === '' ? '' : `: ${this.words}`}`)
    })
    this.tell({ kind: 'job', job: run.job })
  }

  fail(error: unknown): void {
    this.isOver = true
    this.child.kill('SIGKILL')
    this.end.reject(error)
  }

  private broke(what: string): void {
    if (this.isOver) return
    this.fail(new Failed({ code: 'process', stage: '', message: `the issuing process ${what}` }))
  }

  private tell(message: ToRunner): void {
    this.child.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /** Each line of a stream whose writer may say anything, for ever, without an end of the line. */
  private read(stream: Readable | null, take: (line: string) => void): void {
    let rest = ''
    let size = 0
    stream?.setEncoding('utf8')
    stream?.on('error', () => {})
    stream?.on('data', (text: string) => {
      size += text.length
      if (size > MAX_OUTPUT) this.broke(`printed more than ${MAX_OUTPUT / 1024} KiB`)
      if (this.isOver) return
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_LINE)
      for (const line of lines) take(line)
    })
  }

  private hear(line: string): void {
    const message = this.isOver ? undefined : messageIn(line)
    if (message === undefined) return
    if (message.kind === 'finished') {
      this.isOver = true
      this.end.resolve()
    } else if (message.kind === 'ask') void this.answer(message.id, message.verb, message.argument)
    else if (this.cause === undefined) this.broke(`failed: ${cleanWords(String(message.message)).slice(0, MAX_WORDS)}`)
    else this.fail(this.cause)
  }

  private async answer(id: number, verb: Verb, argument: string): Promise<void> {
    this.asked += 1
    if (!VERBS.includes(verb) || typeof argument !== 'string' || argument.length > MAX_ARGUMENT) {
      return this.broke('asked for what there is not')
    }
    if (this.asked > MAX_ASKED || this.underWay >= MAX_UNDER_WAY) return this.broke('asked for too much')
    this.underWay += 1
    try {
      this.tell({ kind: 'done', id, value: await this.run.handle(verb, argument) })
    } catch (error) {
      this.cause ??= error
      this.tell({ kind: 'failed', id, message: error instanceof Failed ? error.message : 'the server could not' })
    } finally {
      this.underWay -= 1
    }
  }
}

function messageIn(line: string): FromRunner | undefined {
  if (!line.startsWith('{"pbt":true,') || line.length > MAX_LINE) return undefined
  try {
    return JSON.parse(line) as FromRunner
  } catch {
    return undefined
  }
}
