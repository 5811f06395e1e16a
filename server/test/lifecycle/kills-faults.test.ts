// What nobody expected ends a program: logged, with an exit code that tells, and at once.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CLIENT, clientEnv, program, restartServer, SERVER, scratch, startServer } from '../support/programs.ts'

/** One second is promised; a machine that is busy with other tests may need longer to notice the end. */
const END_MS = 5_000

const FAULTS = {
  exception: "setImmediate(() => { throw new Error('a fault') })",
  rejection: "Promise.reject(new Error('a fault'))",
}

/** Makes a program fail when it gets SIGUSR2, as a fault in a timer would. */
function faulty(t: TestContext, fault: string): NodeJS.ProcessEnv {
  const file = join(scratch(t), 'fault.mjs')
  writeFileSync(file, `process.once('SIGUSR2', () => { ${fault} })`)
  return { NODE_OPTIONS: `--import ${file}` }
}

for (const [kind, fault] of Object.entries(FAULTS)) {
  test(`H18: an unexpected ${kind} ends both programs at once, after it was logged`, async t => {
    const server = await startServer(t)
    const client = program(t, CLIENT, ['http', '3000', '--json'], { ...clientEnv(t, server), ...faulty(t, fault) })
    await client.event('online')
    const began = performance.now()
    assert.deepEqual(await client.end('SIGUSR2'), { code: 1, signal: null })
    assert.ok(performance.now() - began < END_MS)
    assert.match(client.stderr, /fault of pbt.*a fault/)

    await server.program.end('SIGKILL')
    const args = ['start', '--json', '--data-dir', server.dataDir, '--https-port', '0', '--http-port', '0']
    const broken = program(t, SERVER, args, faulty(t, fault))
    await broken.event('ready')
    assert.deepEqual(await broken.end('SIGUSR2'), { code: 1, signal: null })
    assert.match(broken.stderr, /fault of pbt-server.*a fault/)
    await restartServer(t, server) // and the next start is an ordinary one
  })
}
