import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { codeOf, GRACE_MS, LINK_SILENCE_MS, type Link, MAX_TUNNELS, Mux, type SessionFrame } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import {
  CloseTunnelSchema,
  GoodbyeSchema,
  HelloSchema,
  NewTokenSchema,
  OpenTunnelSchema,
  TunnelKind,
} from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { Allowlists, type StoredAllowlist } from './allowlists.ts'
import type { Ports } from './ports.ts'
import { type Lookup, Registry } from './registry.ts'
import { Reservations } from './reservations.ts'
import { Session, type SessionLink } from './session.ts'

/** A house for sessions whose names are remembered when `written` resolves. */
function house() {
  const clock = new FakeClock()
  const registry = new Registry(clock)
  const offline: string[] = []
  const ended: Session[] = []
  const warnings: string[] = []
  const disk = { written: Promise.resolve() }
  const names = {
    load: () => Promise.resolve([]),
    claim: () => disk.written,
    setOffline: (labels: readonly string[]) => {
      offline.push(...labels)
      return Promise.resolve()
    },
  }
  const reservations = new Reservations('localhost', registry, names, () => {})
  const errors: string[] = []
  const log: Log = {
    error: text => errors.push(text),
    warn: text => warnings.push(text),
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  const lists: StoredAllowlist[] = []
  const store = { allowlists: () => Promise.resolve([...lists]) }
  const allowlists = new Allowlists({ store, baseDomain: 'localhost', log })
  /** Sets the list of an address, or takes it away, as `pbt-server allow` does. */
  const allow = async (address: string, entries: string[] | undefined, ...sessions: Session[]) => {
    const kept = lists.filter(list => list.address !== address)
    lists.splice(0, lists.length, ...kept, ...(entries === undefined ? [] : [{ address, entries }]))
    await allowlists.load()
    for (const session of sessions) session.judgeAgain()
  }
  const context = {
    ...{ clock, log, reservations, ended: (session: Session) => ended.push(session) },
    // Sessions of these tests have no ports.
    ports: {} as unknown as Ports,
    allowlists,
    urlOf: (host: string) => `https://${host}`,
    portUrlOf: () => '',
  }
  const state = (host = 'app.localhost') => registry.lookup(host).state
  const seen = { clock, registry, offline, ended, warnings, errors, disk, state, allow }
  return { ...seen, join: () => client(context, clock) }
}

/** A session and the client's end of it. */
function client(context: ConstructorParameters<typeof Session>[0], clock: FakeClock) {
  const hello = create(HelloSchema, { major: 1, clientId: 'c', machineId: 'm', generation: 1n })
  const session = new Session(context, hello, 1)
  const heard: SessionFrame[] = []
  const goAways: string[] = []
  const mux = new Mux({
    role: 'client',
    clock,
    handler: {
      onSessionFrame: frame => heard.push(frame),
      onGoAway: ({ code }) => goAways.push(code),
      onLinkSilent: () => {},
      onViolation: error => assert.fail(error),
    },
  })
  const line = { isBroken: false, drops: 0 }
  const write =
    (to: Mux): Link['write'] =>
    (batch, taken) => {
      const copy = Buffer.alloc(batch.length)
      batch.copy(copy, 0)
      clock.soon(() => {
        taken()
        if (!line.isBroken) to.receive(copy)
      })
    }
  const connect = (): SessionLink => {
    const link = { write: write(mux), close: () => {}, drop: () => line.drops++ }
    const [serverHas, clientHas] = [session.mux.received, mux.received]
    session.attach(link, clientHas)
    mux.attach({ write: write(session.mux), close: () => {} }, serverHas)
    return link
  }
  /** Lets everything happen that needs no time. */
  const settle = async () => {
    for (let round = 0; round < 5; round++) {
      clock.settle()
      await turn()
    }
  }
  const say = async (frame: SessionFrame) => {
    mux.sendSessionFrame(frame)
    await settle()
  }
  const open = (tunnel: number, overrides: MessageInitShape<typeof OpenTunnelSchema> = {}) => {
    const wish = { tunnel, kind: TunnelKind.HTTP, domains: ['app'], target: '3000', ...overrides }
    return say({ case: 'openTunnel', value: create(OpenTunnelSchema, wish) })
  }
  const closeTunnel = (tunnel: number) => say({ case: 'closeTunnel', value: create(CloseTunnelSchema, { tunnel }) })
  /** The codes with which tunnels were refused or closed, and the cures. */
  const refusals = () =>
    heard.flatMap(({ case: name, value }) =>
      name === 'tunnelRefused' ? [{ code: codeOf(value.reason), cure: value.cure }] : [],
    )
  return { session, mux, heard, goAways, line, connect, settle, say, open, closeTunnel, refusals }
}

test('a session without a link is kept for the grace time, and no longer', async () => {
  const { clock, ended, offline, state, join } = house()
  const { session, connect, open } = join()
  const first = connect()
  await open(1)
  assert.equal(state(), 'online')
  for (let time = 0; time < 3; time++) {
    session.linkLost(time === 0 ? first : connect())
    assert.ok(!session.isAttached)
    clock.advance(GRACE_MS - 1)
  }
  assert.deepEqual([session.isClosed, state()], [false, 'online'])
  clock.advance(1)
  assert.deepEqual([session.isClosed, state(), offline], [true, 'offline', ['app']])
  session.linkLost(first)
  session.close('killed', '')
  assert.deepEqual(ended, [session])
  assert.throws(() => connect(), /the session is over/)
})

test('a newer link takes the place of an older one, whose end changes nothing', () => {
  const { clock, join } = house()
  const { session, connect, line } = join()
  const older = connect()
  const newer = connect()
  assert.equal(line.drops, 1)
  session.linkLost(older)
  clock.advance(1_000)
  assert.ok(session.isAttached)
  session.linkLost(newer)
  assert.ok(!session.isAttached)
})

test('a silent link is dropped, and the session can be resumed', () => {
  const { clock, ended, join } = house()
  const { session, connect, line } = join()
  connect()
  line.isBroken = true
  clock.advance(LINK_SILENCE_MS)
  assert.deepEqual([session.isAttached, line.drops], [false, 1])
  line.isBroken = false
  connect()
  clock.advance(GRACE_MS)
  assert.deepEqual([session.isAttached, ended], [true, []])
})

test('a tunnel that ends while its name is written is offline afterwards', async () => {
  for (const end of ['close', 'goodbye'] as const) {
    const { disk, offline, state, join } = house()
    const { connect, open, closeTunnel, say, settle, heard } = join()
    connect()
    const writing = Promise.withResolvers<void>()
    disk.written = writing.promise
    await open(1)
    if (end === 'close') await closeTunnel(1)
    else await say({ case: 'goodbye', value: create(GoodbyeSchema, {}) })
    writing.resolve()
    await settle()
    assert.deepEqual([state(), heard.map(frame => frame.case)], ['offline', []], end)
    assert.ok(offline.includes('app'), end)
  }
})

test('what cannot be opened is refused with the reason, and the session goes on', async () => {
  const { disk, join, warnings } = house()
  const { session, connect, open, refusals } = join()
  connect()
  await open(1)
  await open(1)
  await open(2, { kind: 9 as TunnelKind })
  await open(3, { domains: ['-'] })
  await open(4, { allow: ['nonsense'] })
  disk.written = Promise.reject(new Error('disk full'))
  await open(5, { domains: ['other'] })
  const codes = refusals().map(({ code }) => code)
  assert.deepEqual(codes, ['protocol', 'unsupported', 'name-invalid', 'not-allowed', 'internal'])
  assert.match(refusals()[4]?.cure ?? '', /disk may be full/)
  assert.match(refusals()[1]?.cure ?? '', /upgrade/)
  assert.deepEqual([session.tunnelCount, session.isClosed, warnings.length], [1, false, 5])
})

test('a session has so many tunnels and no more', async () => {
  const { join } = house()
  const { session, connect, open, refusals } = join()
  connect()
  for (let tunnel = 1; tunnel <= MAX_TUNNELS + 1; tunnel++) await open(tunnel, { domains: [`app-${tunnel}`] })
  assert.equal(session.tunnelCount, MAX_TUNNELS)
  assert.deepEqual(
    refusals().map(({ code }) => code),
    ['limit'],
  )
})

test('tunnels closed again and again end the session', async () => {
  const { clock, join } = house()
  const { session, connect, closeTunnel, goAways } = join()
  connect()
  for (let count = 0; count < 2 * MAX_TUNNELS; count++) await closeTunnel(9)
  assert.ok(!session.isClosed)
  clock.advance(1_000)
  for (let count = 0; count < 3; count++) await closeTunnel(9)
  assert.deepEqual([session.isClosed, goAways], [true, ['limit']])
})

test('frames that only a server sends end the session', async () => {
  const { join } = house()
  const { session, connect, say, goAways } = join()
  connect()
  await say({ case: 'newToken', value: create(NewTokenSchema, { token: 'x' }) })
  assert.deepEqual([session.isClosed, goAways], [true, ['protocol']])
})

test('at its end names are offline, unless the server stops and the client is expected back', async () => {
  for (const [code, remembered] of [
    ['shutdown', []],
    ['killed', ['app']],
  ] as const) {
    const { offline, join } = house()
    const { session, connect, open, settle, goAways } = join()
    connect()
    await open(1)
    session.close(code, 'over')
    await settle()
    assert.deepEqual([offline, goAways], [remembered, [code]])
  }
})

test('a tunnel whose last name another of the same client takes is told so', async () => {
  const { join, state } = house()
  const [first, second] = [join(), join()]
  first.connect()
  second.connect()
  await first.open(1)
  await second.open(7)
  await first.settle()
  const [closed] = first.heard.flatMap(({ case: name, value }) => (name === 'tunnelClosed' ? [value] : []))
  assert.deepEqual([closed?.tunnel, codeOf(closed?.reason ?? 0)], [1, 'replaced'])
  assert.deepEqual([first.session.tunnelCount, second.session.tunnelCount, state()], [0, 1, 'online'])
})

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

test('B5: visitors whom a changed list does not name are cut at both ends, others go on', async () => {
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
  const set = async (entries?: string[]) => {
    await allow('app', entries, session)
    return judged(registry.lookup('app.localhost'))
  }
  assert.deepEqual(await set(['203.0.113.7']), [false, true])
  assert.deepEqual(await set([]), [true, true])
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

test('a tunnel that loses one of its names cuts whom the lists of the others do not let in', async () => {
  const { allow, registry, join } = house()
  const [first, second] = [join(), join()]
  first.connect()
  second.connect()
  await allow('app', [])
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
  assert.deepEqual(answers.splice(0), [[true, false]])
  assert.equal(registry.lookup('app.localhost').state, 'offline')
  // It cannot be written: nobody waits for ever.
  await second.open(2, { target: '4000' })
  disk.written = Promise.reject(new Error('disk full'))
  await first.open(2, { target: '6000' })
  assert.equal(registry.lookup('app.localhost').state, 'offline')
  clock.advance(GRACE_MS)
  assert.equal(registry.lookup('shop.localhost').state, 'online')
})
