// The doctor on a real server, up and down.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../support/commands.ts'
import { SERVER, startServer } from '../support/programs.ts'

interface Told {
  readonly event: string
  readonly step?: string
  readonly state?: string
  readonly message?: string
  readonly cure?: string
}

test('doctor: sees that the server runs and has its ports, and that it does not; status 1 with a failed step', async t => {
  const server = await startServer(t)
  const ports = ['--https-port', String(server.https), '--http-port', String(server.http)]
  const doctor = async (args: readonly string[]) => {
    const { stdout, code } = await run(t, SERVER, ['doctor', '--json', '--data-dir', server.dataDir, ...args])
    const told = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Told)
    for (const { state, step, cure } of told)
      if (state === 'failed' || state === 'not-checked') assert.ok(cure, String(step))
    return { code, told, of: (step: string) => told.find(each => each.step === step) }
  }
  const up = await doctor(ports)
  assert.deepEqual([up.code, up.told.filter(({ state }) => state === 'failed')], [0, []])
  assert.match(up.of('version')?.message ?? '', / runs$/)
  assert.equal(up.of(`port ${server.https}`)?.message, 'pbt-server listens')
  assert.equal(up.of('descriptors')?.state, 'ok')
  const away = await doctor([...ports, '--base-domain', 'tunnel.invalid', '--dns-resolver', '127.0.0.1:9'])
  assert.notEqual(away.of('DNS of tunnel.invalid')?.state, 'ok')

  await server.program.end()
  const down = await doctor(ports)
  assert.deepEqual([down.code, down.of(`port ${server.http}`)?.message], [0, 'free'])
  const nowhere = await run(t, SERVER, ['doctor', '--data-dir', `${server.dataDir}-not`])
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.stdout, /FAILED +data directory/)
  assert.match(nowhere.stdout, /data directory: run "pbt-server init"/)
  assert.equal(nowhere.stderr, '')
})
