// Runs groups of test files one after the other, each with so many files at a time, and reports them as one run, with all that
// failed at its end: its argument is the list of groups as JSON. Ends with 1 when a test failed.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { run } from 'node:test'
import { spec as Spec, type TestEvent } from 'node:test/reporters'
import { Failures } from './failures.ts'

interface Group {
  readonly files: readonly string[]
  readonly atOnce: number
}

type Counts = Readonly<Record<string, number>>

/** The lines of the runner's summary, and what Node counts for each file; those of all files are added up. */
const FIGURES = [
  ['tests', 'tests'],
  ['suites', 'suites'],
  ['pass', 'passed'],
  ['fail', 'failed'],
  ['cancelled', 'cancelled'],
  ['skipped', 'skipped'],
  ['todo', 'todo'],
] as const
const FIGURE = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/
/** A file that could not even say what was in it. */
const BROKEN: Counts = { tests: 1, failed: 1 }

const began = performance.now()
const groups = JSON.parse(process.argv[2] ?? '[]') as Group[]
const timeout = Number(process.argv[3])
const counts = new Map<string, Counts>()
const failures = new Failures()
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

async function* events(): AsyncGenerator<TestEvent> {
  for (const group of groups) yield* pass(group)
  for (const line of failures.lines) yield told(line)
  for (const [line, name] of FIGURES) {
    yield told(`${line} ${[...counts.values()].reduce((sum, each) => sum + (each[name] ?? 0), 0)}`)
  }
  yield told(`duration_ms ${Math.round(performance.now() - began)}`)
}

/** The events of one run of these files, without its summary: the figures of all runs are told at the end. */
async function* pass({ files, atOnce }: Group): AsyncGenerator<TestEvent> {
  for (const file of files) counts.set(resolve(file), BROKEN)
  for await (const event of run({ files: [...files], concurrency: atOnce, timeout, signal: interrupted.signal })) {
    if (event.type === 'test:summary' && event.data.file !== undefined) counts.set(event.data.file, event.data.counts)
    if (event.type === 'test:diagnostic' && event.data.nesting === 0 && FIGURE.test(event.data.message)) continue
    failures.note(event as TestEvent)
    yield event as TestEvent
  }
}

function told(message: string): TestEvent {
  return { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } } as TestEvent
}

/** `data` below this directory as `init` makes it, and its token in `token`. */
function initialise(parent: string): void {
  const args = ['init', '--json', '--data-dir', join(parent, 'data')]
  const { token } = JSON.parse(
    execFileSync(join(process.env.TEST_PROGRAMS ?? '.', 'server/bin/pbt-server'), args, { encoding: 'utf8' }),
  ) as { token: string }
  writeFileSync(join(parent, 'token'), token, { mode: 0o600 })
}

// Each test's server gets a copy of it (server/test/support/programs.ts): that is half of a server's start.
const parent = mkdtempSync(join(tmpdir(), 'pbt-test-'))
process.once('exit', () => rmSync(parent, { recursive: true, force: true }))
initialise(parent)
process.env.TEST_INITIALISED = parent
const report = Readable.from(events()).pipe(new Spec())
report.pipe(process.stdout)
await once(report, 'end')
const sum = (name: string) => [...counts.values()].reduce((all, each) => all + (each[name] ?? 0), 0)
process.exitCode = sum('failed') + sum('cancelled') > 0 || sum('passed') === 0 ? 1 : 0
