import assert from 'node:assert/strict'
import { test } from 'node:test'
import { table } from './table.ts'

const ROWS = [
  ['TUNNEL', 'STATE', 'WHY'],
  ['app', 'online', ''],
  ['ssh', 'offline', 'nothing listens on 127.0.0.1:22'],
]

test('columns are as wide as what stands in them', () => {
  const text = 'TUNNEL  STATE    WHY\napp     online\nssh     offline  nothing listens on 127.0.0.1:22'
  assert.equal(table(ROWS), text)
  assert.equal(table(ROWS, 48), text)
})

test('what has no room in a narrow terminal stands below its row', () => {
  assert.equal(
    table(ROWS, 47),
    'TUNNEL  STATE\napp     online\nssh     offline\n    why: nothing listens on 127.0.0.1:22',
  )
  assert.equal(table(ROWS, 3).split('\n')[2], '    state: online')
})
