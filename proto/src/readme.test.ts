// The specification lists every limit with the value the code has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as limits from './limits.ts'

test('README.md lists every limit with its value', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const listed = new Map(
    [...readme.matchAll(/^\| `([A-Z_]+)` \| (\d+) \|$/gm)].map(match => [match[1], Number(match[2])]),
  )
  const NOT_LIMITS = [
    'KIB',
    'MIB',
    'PROTOCOL_MAJOR',
    'PROTOCOL_MINOR',
    'BATCH_FULL_BYTES',
    'DATA_FRAMING_BYTES',
    'FULL_DATA_BYTES',
    'READ_BYTES',
  ]
  const named = Object.entries(limits).filter(([name]) => !NOT_LIMITS.includes(name))
  assert.deepEqual(listed, new Map(named))
  assert.match(readme, new RegExp(`version ${limits.PROTOCOL_MAJOR}\\.${limits.PROTOCOL_MINOR}$`, 'm'))
})
