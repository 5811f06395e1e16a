// The table of what others' users met with their certificates (25 reports from public trackers): each row has a test that names it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/programs.ts'

const ROWS = 25

test('each reported way to get no certificate has a test', () => {
  const files = readdirSync(join(ROOT, 'server'), { recursive: true, encoding: 'utf8' })
  const titles = files
    .filter(file => file.endsWith('.test.ts'))
    .flatMap(file => readFileSync(join(ROOT, 'server', file), 'utf8').match(/^\s*test\(['"].*/gm) ?? [])
  const tested = new Set(titles.flatMap(title => [...title.matchAll(/\brow (\d+)\b/g)].map(([, row]) => Number(row))))
  const missing = Array.from({ length: ROWS }, (_, index) => index + 1).filter(row => !tested.has(row))
  assert.deepEqual(missing, [])
})
