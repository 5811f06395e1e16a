import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { builtPrograms } from './programs.ts'

test('what tests start is built from the sources as they are', async () => {
  const directory = await builtPrograms()
  if (process.env.TEST_PROGRAMS !== undefined) assert.equal(directory, process.env.TEST_PROGRAMS)
  for (const name of ['server/bin/pbt-server', 'client/bin/pbt', 'launch/start.sh']) {
    assert.ok(existsSync(join(directory, name)), name)
  }
  assert.equal(existsSync(join(directory, 'launch/outlet.ts')), false, 'nothing runs from sources')
})
