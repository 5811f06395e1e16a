// One file is the whole server: made under load, put in place elsewhere, and nobody has to be told.
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { run } from '../support/commands.ts'
import { program, SERVER, scratch } from '../support/programs.ts'
import { startUpgradable, steadily } from '../support/upgrade.ts'
import { canHaveVps, makeVps, SERVICE_UID } from '../support/vps.ts'

const PER_SECOND = 100

/** What the server knows, as its commands tell it. */
async function knowledge(t: TestContext, dataDir: string) {
  const listed = async (args: readonly string[]) => {
    const { stdout, code } = await run(t, SERVER, [...args, '--json', '--data-dir', dataDir])
    assert.equal(code, 0, stdout)
    return stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  }
  const addresses = await listed(['address', 'list'])
  const tokens = await listed(['token', 'list'])
  return {
    addresses: addresses.map(({ address, tunnel, access, allow, note }) => ({ address, tunnel, access, allow, note })),
    tokens: tokens.map(({ id, label, state }) => ({ id, label, state })),
  }
}

test('H13: a backup under load, restored on another path, is the same server to clients and visitors', async t => {
  const { server, traffic, startAnother } = await startUpgradable(t)
  for (const args of [
    ['address', 'reserve', 'later'],
    ['allow', 'later', '203.0.113.0/24', '2001:db8::/32'],
    ['address', 'reserve', 'tcp:23456'],
  ]) {
    assert.equal((await run(t, SERVER, [...args, '--data-dir', server.dataDir])).code, 0)
  }
  const before = await knowledge(t, server.dataDir)
  const folder = scratch(t)
  const file = join(folder, 'backup.tar.gz')
  const load = steadily(traffic, PER_SECOND, ['get', 'https'])
  const made = await run(t, SERVER, ['backup', file, '--log', '--json', '--data-dir', server.dataDir])
  const { notStarted } = await load.stop()
  t.diagnostic(`${traffic.outcomes.length} visitors, ${notStarted} were due and did not come`)
  assert.equal(made.code, 0, made.stdout + made.stderr)
  assert.deepEqual(
    traffic.outcomes.filter(({ state }) => state !== 'whole'),
    [],
  )
  assert.equal(statSync(file).mode & 0o777, 0o600)

  const dataDir = join(folder, 'new-vps')
  const running = await run(t, SERVER, ['restore', file, '--replace', '--json', '--data-dir', server.dataDir])
  assert.match(running.stdout, /"code":"already-running"/)
  assert.deepEqual(await server.program.end(), { code: 0, signal: null })
  const restored = await run(t, SERVER, ['restore', file, '--json', '--data-dir', dataDir])
  assert.equal(restored.code, 0, restored.stdout + restored.stderr)
  assert.deepEqual(await knowledge(t, dataDir), before)

  // The client has the address of the old one, its token and its authority, and is told nothing.
  await startAnother(dataDir)
  for (const kind of ['get', 'https', 'tcp'] as const) {
    const { state, detail } = await traffic.visit(kind, { pieces: 1, paceMs: 0 })
    assert.deepEqual([kind, state, detail], [kind, 'whole', ''])
  }
})

const skip = canHaveVps ? false : 'mount namespaces are not to be had here'

test('H49: root’s backup is root’s own file, and leaves every file of the service the service’s', { skip }, async t => {
  const vps = makeVps(t, 'https-port: 0\nhttp-port: 0\n')
  const folder = scratch(t)
  chmodSync(folder, 0o700)
  const command = async (args: readonly string[]) => {
    const ran = program(t, SERVER, [...args, '--json'], { HOME: '/nonexistent' }, undefined, [], undefined, vps.under())
    await ran.exited
    return ran.events.at(-1)
  }
  const ownersOf = (directory: string) =>
    new Set(
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).map(name => statSync(join(directory, name)).uid),
    )
  assert.equal((await command(['init']))?.event, 'initialised')
  const file = join(folder, 'backup.tar.gz')
  const made = await command(['backup', file])
  assert.deepEqual([made?.event, made?.skipped], ['backed-up', []], JSON.stringify(made))
  assert.deepEqual([statSync(file).uid, statSync(file).mode & 0o777], [0, 0o600])
  assert.equal((await command(['restore', file]))?.code, 'not-empty')
  const restored = await command(['restore', file, '--replace'])
  assert.deepEqual([restored?.event, restored?.dataDir], ['restored', '/var/lib/pbt-server'], JSON.stringify(restored))
  assert.deepEqual([...ownersOf(vps.state)], [SERVICE_UID])
  const settings = { name: 'settings/server.yaml', from: '/etc/pbt-server/server.yaml' }
  assert.deepEqual(restored?.settingsFrom, [{ ...settings, isSame: true }])
  // A machine with settings of its own keeps them, and is told how to take those of the backup.
  const other = makeVps(t, 'https-port: 0\nhttp-port: 0\npublic-address: 203.0.113.8\n')
  const told = program(t, SERVER, ['restore', file], { HOME: '/nonexistent' }, undefined, [], undefined, other.under())
  await told.exited
  const put =
    'sudo install -D -m 0640 -g pbt-server /var/lib/pbt-server/restored-settings/server.yaml /etc/pbt-server/server.yaml'
  assert.ok(told.said.includes(put), told.said + told.stderr)
})
