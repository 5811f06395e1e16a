import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

/** Files of tests, each a group of its own. */
const FILES = {
  'first.test.mjs': `import { test } from 'node:test'
import assert from 'node:assert/strict'
test('it counts', () => assert.equal(1, 2, 'one is not two'))
test('it holds', async t => { await t.test('inside', () => { throw new Error('line 1\\nline 2\\nline 3\\nline 4') }) })
test('it is not done yet', { todo: true }, () => assert.fail('later'))
`,
  'second.test.mjs': `import { test } from 'node:test'
test('it is well', () => {})
`,
  'third.test.mjs': 'process.exit(3)\n',
}

test('a run of tests ends with all that failed, in whichever group, and then its figures', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const groups = Object.entries(FILES).map(([name, text]) => {
    writeFileSync(join(directory, name), text)
    return { files: [join(directory, name)], atOnce: 1 }
  })
  // Node takes a run inside of a test for a part of it.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = ['scripts/run-tests.ts', JSON.stringify(groups), '60000']
  const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>(resolve => {
    execFile(process.execPath, args, { env }, (error, stdout) => resolve({ code: error?.code, stdout }))
  })
  assert.equal(code, 1)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map(line => line.replace(/^ℹ /, ''))
  const from = lines.findIndex(line => line.startsWith('failed, one after'))
  const end = lines.slice(from)
  const of = (name: string) => end.findIndex(line => line.includes(name))
  assert.match(end[of('first.test.mjs: it counts') + 1] ?? '', /AssertionError.*one is not two/)
  const inside = of('first.test.mjs: inside')
  assert.deepEqual(
    end.slice(inside + 1, inside + 4).map(line => line.trim()),
    ['Error: line 1', 'line 2', 'line 3'],
  )
  assert.ok(of('third.test.mjs') > inside)
  assert.equal(end.filter(line => /^ {2}\S/.test(line)).length, 3, end.join('\n'))
  assert.deepEqual(
    end.slice(-8).map(line => line.split(' ')[0]),
    'tests suites pass fail cancelled skipped todo duration_ms'.split(' '),
  )
  assert.doesNotMatch(end.join('\n'), /it holds|it is not done|it is well/)
})
