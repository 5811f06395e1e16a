// `pbt doctor` beside what is wrong: each step says what, and what to do, and nothing says a secret.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@pbt/proto'
import { type Check, examine } from '../../../client/src/doctor/doctor.ts'
import { TEST_CERTIFICATE } from '../../../client/src/session/testing/certificate.ts'
import { ConnectProxy } from '../../../client/src/session/testing/connect-proxy.ts'
import { startLinkServer } from '../../../client/src/session/testing/link-server.ts'
import { run } from '../support/commands.ts'
import { OWN_DOMAIN, ownDomain } from '../support/own-domain.ts'
import { lastingPort } from '../support/ports.ts'
import { CLIENT, clientEnv, type RunningServer, scratch, startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

type Env = Record<string, string | undefined>

/** The doctor in this process, with another clock: by the names of the steps, the last of each. */
async function examined(env: Env, aheadMs = 0): Promise<Map<string, Check>> {
  const checks = new Map<string, Check>()
  await examine({ env, clock: systemClock, wallTime: () => Date.now() + aheadMs, rateMs: 50 }, check =>
    checks.set(check.step, check),
  )
  const shown = JSON.stringify([...checks.values()])
  for (const secret of [env.PBT_TOKEN, 'hunter2']) {
    if (secret !== undefined) assert.equal(shown.includes(secret), false, 'a secret is shown')
  }
  return checks
}

function assertFailed(checks: Map<string, Check>, step: string, message: RegExp, cure: RegExp): void {
  const check = checks.get(step)
  assert.equal(check?.state, 'failed', JSON.stringify([...checks.values()]))
  assert.match(check?.message ?? '', message)
  assert.match(check?.cure ?? '', cure)
  assert.equal(checks.get('token')?.state === 'not-checked' || step === 'token' || step === 'clock', true)
}

test('where all is well every step is ok, and a target that is not there is told', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  const home = scratch(t)
  await startClient(t, server, ['up', `http:${target},domain=app`, `tcp:${await lastingPort()}`], { home })
  const { code, stdout, stderr } = await run(t, CLIENT, ['doctor', '--json'], clientEnv(t, server, { home }))
  const checks = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Check & { event: string })
  assert.ok(checks.every(({ event }) => event === 'check'))
  const states = new Map(checks.map(({ step, state }) => [step, state]))
  for (const step of [
    'settings',
    'proxy',
    'name',
    'ipv4',
    'tls',
    'token',
    'clock',
    'version',
    'round-trip',
    'rate',
    'process',
  ]) {
    assert.equal(states.get(step), 'ok', `${step}: ${stdout}${stderr}`)
  }
  const targets = checks.filter(({ step }) => step === 'target')
  assert.deepEqual(targets.map(({ state }) => state).sort(), ['failed', 'ok'])
  const down = targets.find(({ state }) => state === 'failed')
  assert.match(`${down?.message} ${down?.cure}`, /nothing listens there start what should listen at 127\.0\.0\.1:\d+$/)
  assert.equal(code, 1)
  assert.equal(stdout.includes(server.token), false)
})

async function withServer(t: TestContext): Promise<{ server: RunningServer; env: Env }> {
  const server = await startServer(t)
  return { server, env: clientEnv(t, server) }
}

test('each thing that is wrong is found at its step, with its cure, and no token goes to a server that is not trusted', async t => {
  const { server, env } = await withServer(t)
  const well = await examined(env)
  assert.equal(well.get('token')?.state, 'ok')
  assert.equal(well.get('tunnels')?.state, 'not-checked')
  assert.match(well.get('clock')?.message ?? '', /within \d+ s of the server's/)

  assertFailed(await examined({ ...env, PBT_TOKEN: `pbt_${'x'.repeat(43)}` }), 'token', /refused the token/, /pbt init/)
  assertFailed(await examined({ ...env, PBT_CA: undefined }), 'tls', /nobody vouches/, /--ca FILE/)
  const other = ownDomain(t)
  assertFailed(await examined({ ...env, PBT_CA: other.ca }), 'tls', /not by the authority that is stored/, /--ca FILE/)
  const closed = await lastingPort()
  assertFailed(await examined({ ...env, PBT_SERVER: `localhost:${closed}` }), 'ipv4', /ECONNREFUSED/, /listens on port/)
  assertFailed(
    await examined({ ...env, PBT_SERVER: `localhost:${server.http}` }),
    'tls',
    /did not shake hands/,
    /the one for https/,
  )
  assertFailed(await examined({ ...env, PBT_SERVER: 'no-such-name.invalid' }), 'name', /has no address/, /DNS records/)
  assertFailed(
    await examined({ ...env, HTTPS_PROXY: `http://me:hunter2@127.0.0.1:${closed}`, PBT_SERVER: 'pbt.test' }),
    'ipv4',
    /the proxy 127\.0\.0\.1:\d+ cannot be reached/,
    /proxy runs/,
  )
  assertFailed(await examined(env, 600_000), 'clock', /60\d s ahead/, /NTP/)
  assertFailed(await examined(env, -400 * 24 * 3_600_000), 'tls', /valid from/, /set the clock/)
  assertFailed(await examined({ PBT_HOME: scratch(t) }), 'settings', /no server is known/, /pbt init/)

  const home = scratch(t)
  writeFileSync(join(home, 'config.json'), JSON.stringify({ server: `localhost:${server.https}`, token: server.token }))
  chmodSync(home, 0o700)
  chmodSync(join(home, 'config.json'), 0o644)
  const open = await examined({ PBT_HOME: home, PBT_CA: server.ca })
  assert.match(`${open.get('files')?.message} ${open.get('files')?.cure}`, /others can read .*644.* chmod 600/)
  assert.equal(open.get('token')?.state, 'ok')
})

test('another server at that address is told, one that has no such name and one that has others', async t => {
  const { ca, serverArgs } = ownDomain(t)
  const server = await startServer(t, { serverArgs })
  const env = { ...clientEnv(t, server), PBT_CA: ca }
  assertFailed(await examined(env), 'tls', /no certificate for that name/, /pbt init --server/)

  const link = await startLinkServer(call => call.destroy())
  t.after(() => link.close())
  const proxy = await new ConnectProxy(link.port).start(t)
  const trusted = join(scratch(t), 'ca.pem')
  writeFileSync(trusted, TEST_CERTIFICATE)
  const beyond = { PBT_SERVER: OWN_DOMAIN, PBT_CA: trusted, HTTPS_PROXY: `http://me:hunter2@127.0.0.1:${proxy.port}` }
  proxy.credentials = 'me:hunter2'
  assertFailed(
    await examined({ ...env, ...beyond }),
    'tls',
    /is not for link\.pbt\.test, but for DNS:link\.localhost/,
    /pbt init --server/,
  )
  proxy.credentials = 'me:other'
  assertFailed(await examined({ ...env, ...beyond }), 'tls', /refused the user and the password \(407\)/, /HTTPS_PROXY/)
})
