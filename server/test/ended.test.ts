// A run of tests that is ended from outside leaves no program behind.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { scratch } from './support/programs.ts'

const PROGRAMS = new URL('./support/programs.ts', import.meta.url).href

test('SIGTERM for a file of tests ends the programs that it has started', async t => {
  const code = `
    import { startServer } from ${JSON.stringify(PROGRAMS)}
    const { program } = await startServer({ after: () => {} })
    console.log(program.pid)`
  const file = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, TMPDIR: scratch(t) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => file.kill('SIGKILL'))
  const [line] = await once(file.stdout, 'data')
  const pid = Number(String(line))
  process.kill(pid, 0)
  file.kill('SIGTERM')
  assert.deepEqual(await once(file, 'exit'), [null, 'SIGTERM'])
  const isThere = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  while (isThere()) await new Promise(resolve => setImmediate(resolve))
})
