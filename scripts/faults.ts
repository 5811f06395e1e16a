// The tests of each fault, found by the ids that their titles begin with, and the page docs/faults.md.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Fault } from './fault-row.ts'
import { SECTIONS } from './fault-rows.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TEST_FOLDERS = ['server/test', 'server/src', 'client/src', 'proto/src', 'launch']
/** `test('B1, B11: what holds', …`, also over two lines and with other quotes. */
const TITLE = /\btest\(\s*(['"`])([A-I]\d+(?:, [A-I]\d+)*): ((?:\\.|(?!\1).)*)\1/g

export interface FaultTest {
  readonly file: string
  readonly title: string
}

export const FAULTS: readonly Fault[] = SECTIONS.flatMap(([, rows]) => rows)

/** The tests of each fault, by its id. */
export function faultTests(): ReadonlyMap<string, readonly FaultTest[]> {
  const found = new Map<string, FaultTest[]>()
  for (const folder of TEST_FOLDERS) {
    for (const name of readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.test.ts')) continue
      const file = `${folder}/${name}`
      for (const { ids, title } of titlesIn(readFileSync(`${ROOT}${file}`, 'utf8'))) {
        for (const id of ids) found.set(id, [...(found.get(id) ?? []), { file, title }])
      }
    }
  }
  return found
}

/** Titles that begin with ids, apart from them. */
export function titlesIn(source: string): { ids: string[]; title: string }[] {
  return [...source.matchAll(TITLE)].map(match => ({
    ids: (match[2] ?? '').split(', '),
    title: (match[3] ?? '').replace(/\\(.)/g, '$1'),
  }))
}

/** The page docs/faults.md. */
export function faultsPage(): string {
  const tests = faultTests()
  const tables = SECTIONS.map(
    ([title, rows]) => `## ${title}

| id | priority | fault or attack | what must happen | tests | result |
|---|---|---|---|---|---|
${rows.map(each => line(each, tests.get(each.id) ?? [])).join('\n')}
`,
  )
  return `# Faults

What goes wrong or is done on purpose, what must happen then, and the tests that show it; P0 stops a release. The tests
drive the real programs from outside, or the part in question where a program cannot be made to do it. Their titles begin
with the ids, \`node scripts/docs.ts\` writes this page from them, and a test fails when a row has neither a test nor a reason.
*Holds*: all tests named pass, as all tests do before a change is taken; they need not show
every variant of the row.

${tables.join('\n')}`
}

function line({ id, priority, fault, expected, pending, reason }: Fault, tests: readonly FaultTest[]): string {
  const named = tests.map(({ file, title }) => `[${title.replaceAll('|', '\\|')}](../${file})`).join('; ')
  const result = tests.length > 0 ? 'holds' : (reason ?? `pending: ${pending}`)
  return `| ${id} | ${priority} | ${fault} | ${expected} | ${named} | ${result} |`
}
