// What is seen of the machine's network, in processes of their own.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const READER = new URL('network.ts', import.meta.url).href

/** Runs the lines, which have a `reader`, with this many descriptors, and tells what they print. */
function run(descriptors: number, lines: string): string {
  const script = `import { openSync } from 'node:fs'\nimport { NetworkReader } from '${READER}'\nconst reader = new NetworkReader()\n${lines}`
  const args = [
    '-c',
    `ulimit -n ${descriptors} && exec "$0" "$@"`,
    process.execPath,
    '--input-type=module',
    '-e',
    script,
  ]
  const { stdout, stderr, status } = spawnSync('sh', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

test('a process that has no descriptor left sees the network as it was, and goes on', {
  skip: process.platform === 'win32',
}, () => {
  const said = run(
    64,
    `const before = reader.read()
    try { for (;;) openSync('/dev/null') } catch (error) { console.log(error.code) }
    console.log(reader.read() === before)`,
  )
  assert.equal(said, 'EMFILE\ntrue')
})
