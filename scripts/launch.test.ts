// The unit file starts Node by itself, so it has to repeat the flags.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { NODE_FLAGS } from './launch.js'

test('the unit file starts Node with the same flags as the programs', () => {
  const unit = readFileSync(new URL('../deploy/pbt-server.service', import.meta.url), 'utf8')
  const started = /^ExecStart=\S+ (--.*) \S+main\.ts start$/m.exec(unit)?.[1]
  assert.deepEqual(started?.split(' '), NODE_FLAGS)
})
