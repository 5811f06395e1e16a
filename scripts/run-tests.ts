// Runs groups of test files one after the other, each with so many files at a time, and reports them as one run: its argument
// is the list of groups as JSON. Ends with 1 when a test failed.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { run } from 'node:test'
import { spec as Spec } from 'node:test/reporters'

interface Group {
  readonly files: readonly string[]
  readonly atOnce: number
}

/** The lines of the runner's summary; those of all groups are added up. */
const FIGURE = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/

const groups = JSON.parse(process.argv[2] ?? '[]') as Group[]
const timeout = Number(process.argv[3])
const figures = new Map<string, number>()
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

async function* events() {
  for (const [index, { files, atOnce }] of groups.entries()) {
    const isLast = index === groups.length - 1
    for await (const event of run({ files: [...files], concurrency: atOnce, timeout, signal: interrupted.signal })) {
      const [, name, value] = (event.type === 'test:diagnostic' && FIGURE.exec(event.data.message)) || []
      if (name !== undefined) figures.set(name, (figures.get(name) ?? 0) + Number(value))
      // With it the reporter lists what failed: once, at the end.
      else if (event.type !== 'test:summary' || event.data.file !== undefined || isLast) yield event
    }
  }
  for (const [name, value] of figures) {
    yield { type: 'test:diagnostic', data: { nesting: 0, message: `${name} ${value}`, level: 'info' } }
  }
}

// Each test's server gets a copy of it (server/test/support/programs.ts): that is half of a server's start.
const parent = mkdtempSync(join(tmpdir(), 'pbt-test-'))
process.once('exit', () => rmSync(parent, { recursive: true, force: true }))
process.env.PBT_TEST_INITIALISED = initialise(join(parent, 'data'))
const report = Readable.from(events()).pipe(new Spec())
report.pipe(process.stdout)
await once(report, 'end')
process.exitCode = (figures.get('fail') ?? 1) + (figures.get('cancelled') ?? 0) > 0 ? 1 : 0

/** A data directory as `init` makes it, and its token, as JSON. */
function initialise(directory: string): string {
  const said = execFileSync('server/bin/pbt-server', ['init', '--json', '--data-dir', directory], { encoding: 'utf8' })
  const { token } = JSON.parse(said) as { token: string }
  return JSON.stringify({ directory, token })
}
