import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(new URL('descriptors.ts', import.meta.url))

test('the limit in force is told, as the shell set it', { skip: process.platform !== 'linux' }, () => {
  for (const limit of ['300', '777']) {
    const tell = `import(${JSON.stringify(FILE)}).then(({ descriptorLimit }) => console.log(descriptorLimit()))`
    const { stdout } = spawnSync('/bin/sh', ['-c', `ulimit -n ${limit}; exec "$0" -e "$1"`, process.execPath, tell], {
      encoding: 'utf8',
    })
    assert.equal(stdout.trim(), limit)
  }
})
