// A run of tests that is ended from outside leaves no program behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { scratch } from '../support/programs.ts'

/** Only a failure ever waits for it. */
const ENDED_MS = 60_000
const PROGRAMS = new URL('../support/programs.ts', import.meta.url).href

test('SIGTERM for a file of tests ends the programs that it has started', async t => {
  const code = `
    import { startServer } from ${JSON.stringify(PROGRAMS)}
    const { http } = await startServer({ after: () => {} })
    console.log(http)`
  const file = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, TMPDIR: scratch(t) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => file.kill('SIGKILL'))
  const [line] = await once(file.stdout, 'data')
  const port = Number(String(line))
  assert.equal(await isServed(port), true)
  file.kill('SIGTERM')
  assert.deepEqual(await once(file, 'exit'), [null, 'SIGTERM'])
  const deadline = performance.now() + ENDED_MS
  while (await isServed(port)) assert.ok(performance.now() < deadline, 'the server is still there')
})

async function isServed(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
