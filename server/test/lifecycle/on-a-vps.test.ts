// Who looks after the service of a VPS from a shell finds its data without saying where, and locks it out of nothing.
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { program, SERVER, scratch } from '../support/programs.ts'
import { canHaveVps, makeVps, SERVICE_UID, type Vps } from '../support/vps.ts'

const STRANGER = 54_322
const skip = canHaveVps ? false : 'mount namespaces are not to be had here'
const SETTINGS = 'https-port: 0\nhttp-port: 0\nconnections-per-address: 77\n'

/** One command of the owner's, to its end. `uid`: undefined for root. */
async function command(t: TestContext, vps: Vps, args: readonly string[], uid?: number) {
  const ran = program(
    t,
    SERVER,
    [...args, '--json'],
    { HOME: '/nonexistent' },
    undefined,
    [],
    undefined,
    vps.under(uid),
  )
  const { code } = await ran.exited
  return { code, events: ran.events, stderr: ran.stderr }
}

const ownersOf = (vps: Vps) =>
  new Set(
    readdirSync(vps.state, { recursive: true, encoding: 'utf8' }).map(name => statSync(join(vps.state, name)).uid),
  )

test('H49: root’s commands are for the service’s data, and leave every file the service’s own', { skip }, async t => {
  const vps = makeVps(t, SETTINGS)
  const { code, events } = await command(t, vps, ['init'])
  assert.deepEqual(
    [code, events[0]?.event, events[0]?.dataDir],
    [0, 'initialised', '/var/lib/pbt-server'],
    JSON.stringify(events),
  )
  assert.deepEqual([...ownersOf(vps)], [SERVICE_UID])

  const variables = { STATE_DIRECTORY: '/var/lib/pbt-server', CONFIGURATION_DIRECTORY: '/etc/pbt-server' }
  const service = program(t, SERVER, ['start', '--json'], variables, undefined, [], undefined, vps.under(SERVICE_UID))
  await service.event('ready')
  for (const args of [
    ['address', 'reserve', 'app'],
    ['allow', 'app', '203.0.113.7'],
    ['allow', 'app', '--add', '2001:db8::/32'],
    ['allow', 'app'],
    ['token', 'rotate'],
    ['token', 'list'],
    ['address', 'list'],
  ]) {
    const ran = await command(t, vps, args)
    assert.equal(ran.code, 0, `${args.join(' ')}: ${JSON.stringify(ran.events)} ${ran.stderr}`)
    assert.deepEqual([...ownersOf(vps)], [SERVICE_UID], args.join(' '))
  }
  const own = await command(t, vps, ['address', 'list'], SERVICE_UID)
  assert.deepEqual([own.code, own.events[0]?.address], [0, 'app'])
  assert.deepEqual(await service.end(), { code: 0, signal: null })
  // Also when root starts a server by hand.
  const byHand = program(
    t,
    SERVER,
    ['start', '--json'],
    { HOME: '/nonexistent' },
    undefined,
    [],
    undefined,
    vps.under(),
  )
  await byHand.event('ready')
  await byHand.end()
  assert.deepEqual([...ownersOf(vps)], [SERVICE_UID])
  // The service starts again on what root has changed.
  const again = program(t, SERVER, ['start', '--json'], variables, undefined, [], undefined, vps.under(SERVICE_UID))
  await again.event('ready')
})

test('H49: others are told to use sudo, and a directory that is named is another server', { skip }, async t => {
  const vps = makeVps(t, SETTINGS)
  await command(t, vps, ['init'])
  const stranger = await command(t, vps, ['token', 'list'], STRANGER)
  assert.deepEqual([stranger.code, stranger.events[0]?.code], [1, 'not-initialised'])
  assert.match(String(stranger.events[0]?.cure), /sudo/)
  const dataDir = join(scratch(t), 'own')
  const other = await command(t, vps, ['init', '--data-dir', dataDir])
  assert.deepEqual([other.code, other.events[0]?.dataDir], [0, dataDir])
  // Settings that are wrong for the service are none of its business.
  const wrong = makeVps(t, 'nonsense: 1\n')
  assert.equal((await command(t, wrong, ['token', 'list'])).code, 2)
  assert.equal((await command(t, wrong, ['token', 'list', '--data-dir', dataDir])).code, 0)
})
