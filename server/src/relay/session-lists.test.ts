// Who may visit the tunnels of a session, as the lists of their addresses and their client have it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GRACE_MS } from '@pbt/proto'
import type { Lookup } from './registry.ts'
import { house } from './testing/session-house.ts'

test('visitors who are turned away are logged the 1st, 2nd, 4th, 8th … time', async () => {
  const { registry, warnings, join } = house()
  const { connect, open } = join()
  connect()
  await open(1, { allow: ['192.0.2.0/24'] })
  const found = registry.lookup('app.localhost')
  assert(found.state === 'online')
  for (let count = 0; count < 10; count++) assert.ok(!found.tunnel.allows('203.0.113.7'))
  assert.ok(found.tunnel.allows('192.0.2.7'))
  assert.equal(warnings.filter(text => text === 'visitor not allowed').length, 4)
})

test('B5: visitors that a changed list does not name are cut at both ends, others go on', async () => {
  const { allow, registry, join } = house()
  const { connect, open, session } = join()
  connect()
  await open(1)
  await open(2, { domains: ['other'], target: '4000' })
  const [app, other] = ['app.localhost', 'other.localhost'].map(host => registry.lookup(host))
  assert(app?.state === 'online' && other?.state === 'online')
  const cut: string[] = []
  const visit = ({ tunnel }: typeof app, visitor: string) =>
    tunnel.connect('tcp', visitor, '', { onReset: ({ code }) => cut.push(`${visitor} ${code}`) })
  const friends = [visit(app, '198.51.100.1:1'), visit(other, '203.0.113.7:2')]
  const strangers = [visit(app, '203.0.113.7:50123'), visit(app, '[2001:db8::1]:50123')]
  await allow('app', ['198.51.100.0/24'], session)
  assert.deepEqual(cut, ['203.0.113.7:50123 not-allowed', '[2001:db8::1]:50123 not-allowed'])
  assert.deepEqual([friends.every(({ isOpen }) => isOpen), strangers.some(({ isOpen }) => isOpen)], [true, false])
})

/** Two visitors, and which of them may come. */
const ADDRESSES = ['192.0.2.7', '203.0.113.7'] as const
const judged = (lookup: Lookup) => ADDRESSES.map(address => lookup.state === 'online' && lookup.tunnel.allows(address))

test('a list set on the server stands in for the one of the client, at once, until it is taken away', async () => {
  const { allow, errors, registry, join } = house()
  const { connect, open, session } = join()
  connect()
  await open(1, { allow: ['192.0.2.0/24'] })
  const set = async (entries?: string[] | 'everybody') => {
    await allow('app', entries, session)
    return judged(registry.lookup('app.localhost'))
  }
  assert.deepEqual(await set(['203.0.113.7']), [false, true])
  assert.deepEqual(await set('everybody'), [true, true])
  assert.deepEqual(await set(['203.0.113.7']), [false, true])
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(await set(['what is this']), [false, true], 'one that cannot be read changes nothing')
    assert.equal(errors.length, 1)
  }
  assert.deepEqual(await set(), [true, false])
  assert.deepEqual(await set(['what is this']), [false, false], 'nobody is better than everybody')
})

test('a list stays with its address, whichever tunnel has it; of several lists all must let a visitor in', async () => {
  const { allow, registry, join } = house()
  const [first, second] = [join(), join()]
  const sessions = [first.session, second.session]
  first.connect()
  second.connect()
  const seen = (...labels: string[]) => labels.map(label => judged(registry.lookup(`${label}.localhost`)))
  await allow('app', ['192.0.2.7'])
  await allow('app.mine.uk', ['203.0.113.7'])
  await first.open(1, { domains: ['app', 'shop'] })
  assert.deepEqual(seen('app', 'shop'), [
    [true, false],
    [true, false],
  ])
  await allow('shop', ['203.0.113.7'], ...sessions)
  assert.deepEqual(seen('app', 'shop'), [
    [false, false],
    [false, false],
  ])
  // Another target: the list went along, and the tunnel that it left goes by what it has still.
  await second.open(1, { domains: ['app', 'blog'], target: '4000', allow: ['198.51.100.1'] })
  assert.deepEqual(seen('app', 'blog', 'shop'), [
    [true, false],
    [true, false],
    [false, true],
  ])
  await allow('app', undefined, ...sessions)
  assert.deepEqual(seen('app', 'shop'), [
    [false, false],
    [false, true],
  ])
  await second.open(2, { domains: ['app.mine.uk'], target: '5000' })
  assert.deepEqual(judged(registry.lookup('app.mine.uk')), [false, true])
})

test('a tunnel that loses one of its names disconnects visitors that the lists of the others do not let in', async () => {
  const { allow, registry, join } = house()
  const [first, second] = [join(), join()]
  first.connect()
  second.connect()
  await allow('app', 'everybody')
  await first.open(1, { domains: ['app', 'shop'], allow: ['192.0.2.7'] })
  const found = registry.lookup('app.localhost')
  assert(found.state === 'online')
  const cut: string[] = []
  for (const address of ADDRESSES) {
    const onReset = ({ code }: { code: string }) => {
      // This client knows no connections and refuses them with another one.
      if (code === 'not-allowed') cut.push(address)
    }
    found.tunnel.connect('tcp', `${address}:1`, '', { onReset })
  }
  await second.open(1, { target: '4000' })
  assert.deepEqual(cut, ['203.0.113.7'])
})

test('nobody is judged by another list than that of the address, whenever they come', async () => {
  const { allow, clock, disk, registry, join } = house()
  const [first, second] = [join(), join()]
  first.connect()
  second.connect()
  const answers: boolean[][] = []
  const wait = () => registry.whenKnown('app.localhost', lookup => answers.push(judged(lookup)))
  const write = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    disk.written = promise
    return resolve
  }
  // Before the client has come back; the list changes while its names are written.
  registry.setAwaited('app.localhost', GRACE_MS)
  await allow('app', ['192.0.2.7'])
  assert.ok(wait())
  const written = write()
  await first.open(1, { domains: ['app', 'shop'] })
  await allow('app', ['203.0.113.7'], first.session)
  assert.ok(wait())
  assert.deepEqual(answers, [])
  written()
  await first.settle()
  assert.deepEqual(answers.splice(0), [
    [false, true],
    [false, true],
  ])
  // While another tunnel takes the name, whose client gives up before it is written: the first one has no list now.
  const writtenAgain = write()
  await second.open(1, { target: '4000' })
  assert.deepEqual(judged(registry.lookup('shop.localhost')), [true, true])
  assert.ok(wait(), 'the first one is not reached by it')
  await second.closeTunnel(1)
  await allow('app', ['192.0.2.7'], first.session, second.session)
  writtenAgain()
  await second.settle()
  assert.deepEqual(answers.splice(0), [[false, false]], 'offline')
  assert.equal(registry.lookup('app.localhost').state, 'offline')
  // It cannot be written: nobody waits for ever.
  await second.open(2, { target: '4000' })
  disk.written = Promise.reject(new Error('disk full'))
  await first.open(2, { target: '6000' })
  assert.equal(registry.lookup('app.localhost').state, 'offline')
  clock.advance(GRACE_MS)
  assert.equal(registry.lookup('shop.localhost').state, 'online')
})
