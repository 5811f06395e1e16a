// The agent against real multiplexers, over a line that the test cuts, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '@pbt/proto'
import { closed, DELAY_MS, exitCodeOf, HEAD, online, opened, refused, start } from './testing/agent-run.ts'

test('a tunnel is asked for and online with what the server gave it', () => {
  const run = online()
  const [frame] = run.call(0).frames
  assert(frame?.case === 'openTunnel')
  assert.deepEqual([frame.value.tunnel, frame.value.domains, frame.value.target], [1, ['app'], '127.0.0.1:3000'])
  assert.deepEqual(run.events, [
    { event: 'connected', server: 'localhost:8443' },
    {
      event: 'online',
      number: 1,
      tunnel: 'app',
      kind: 'http',
      urls: ['https://app.localhost:8443'],
      target: '127.0.0.1:3000',
      allowlists: undefined,
    },
  ])
})

test('a server that cannot be reached is tried for ever, with longer and longer waits', () => {
  const run = start()
  for (let failures = 0; failures < 20; failures++) {
    run.call(-1).end('unreachable', 'nobody there')
    run.clock.advance(30_000)
  }
  assert.equal(run.dials(), 21)
  assert.equal(run.events[0]?.event, 'offline')
  const waits = run.events.flatMap(event => (event.event === 'reconnecting' ? [event.retryInMs] : []))
  assert.deepEqual(waits.slice(0, 8), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
})

test('a lost link is dialled again at once and the session goes on', () => {
  const run = online()
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.call(0).end('link-lost')
  run.clock.advance(1)
  const { resume } = run.call(1).hello
  assert.deepEqual([resume?.sessionId, resume?.secret], [new Uint8Array([1]), new Uint8Array([2])])
  run.call(1).welcome(run.call(0).mux)
  run.clock.advance(10)
  assert.deepEqual(run.names(), ['connected', 'online', 'reconnecting', 'resumed'])
  assert.equal(run.accepted.length, 1)
  assert.equal(run.accepted[0]?.isOpen, true)
  assert.deepEqual(run.resets, [])
})

test('a link that breaks again and again is dialled with longer and longer waits', () => {
  const run = online()
  for (let index = 0; index < 5; index++) {
    run.call(index).end('link-lost')
    run.clock.advance(5_000)
    run.call(index + 1).welcome(run.call(0).mux)
    run.clock.advance(10)
  }
  const waits = run.events.flatMap(event => (event.event === 'reconnecting' ? [event.retryInMs] : []))
  assert.deepEqual(waits, [0, 500, 1000, 1500, 1500])
})

test('a session that the server no longer has is begun anew', () => {
  const run = online()
  run.clock.advance(30_000)
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.call(0).end('link-lost')
  run.clock.advance(1)
  run.call(1).welcome()
  run.clock.advance(10)
  assert.deepEqual(
    run.resets.map(({ code }) => code),
    ['link-lost'],
  )
  assert.equal(run.call(1).frames[0]?.case, 'openTunnel')
  opened(run.call(1))
  run.clock.advance(10)
  assert.deepEqual(run.names(), ['connected', 'online', 'reconnecting', 'connected', 'online'])
})

test('what is open is given up after the grace time, and the dialling goes on without it', () => {
  const run = online()
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.call(0).end('link-lost')
  while (run.resets.length === 0) {
    run.clock.advance(500)
    if (!run.call(-1).isHungUp && run.call(-1) !== run.call(0)) run.call(-1).end('unreachable')
  }
  assert.equal(run.resets[0]?.code, 'link-lost')
  assert.equal(run.names().filter(name => name === 'offline').length, 1)
  run.clock.advance(60_000)
  assert.equal(run.call(-1).hello.resume, undefined)
})

test('an outage that ends within the grace time costs nothing', () => {
  for (const outageMs of [3_000, 12_000, 20_000, 24_000]) {
    const run = online()
    run.call(0).end('link-lost')
    const end = run.clock.now() + outageMs
    while (run.events.at(-1)?.event !== 'resumed') {
      run.clock.advance(100)
      const call = run.call(-1)
      if (call === run.call(0) || call.isHungUp) continue
      if (run.clock.now() < end) call.end('unreachable')
      else call.welcome(run.call(0).mux)
      call.isHungUp = true
    }
    assert(run.clock.now() < end + 6_000, `${run.clock.now() - end} ms after ${outageMs} ms`)
  }
})

test('a link that says nothing is dropped and the session resumed', () => {
  const run = online()
  run.call(0).mux.detach()
  run.clock.advance(16_000)
  assert.equal(run.call(0).isHungUp, true)
  assert.equal(run.dials(), 2)
  assert(run.call(1).hello.resume !== undefined)
})

test('a name that is not available ends with 4 and says what to do', async () => {
  const run = start()
  run.call(0).welcome()
  run.clock.advance(10)
  refused(run.call(0), 'name-taken')
  run.clock.advance(10)
  const about = { number: 1, target: '127.0.0.1:3000', code: 'name-taken', message: 'held by desk', cure: 'other' }
  assert.deepEqual(run.events.at(-1), { event: 'error', ...about })
  assert.equal(run.call(0).frames.at(-1)?.case, 'goodbye')
  assert.equal(await exitCodeOf(run), 4)
})

test('a tunnel that the server may have later is asked for again, alone, and the refusal is told once', () => {
  const run = start()
  run.call(0).welcome()
  run.clock.advance(10)
  const asked = () => run.call(0).frames.filter(frame => frame.case === 'openTunnel').length
  refused(run.call(0), 'limit')
  run.clock.advance(1_000)
  assert.deepEqual([asked(), run.dials(), run.call(0).isHungUp], [2, 1, false])
  const about = { number: 1, target: '127.0.0.1:3000', code: 'limit', message: 'held by desk', cure: 'other' }
  assert.deepEqual(run.events.at(-1), { event: 'error', ...about, retrying: true })
  for (let times = 2; times < 12; times++) {
    refused(run.call(0), 'limit')
    for (let waited = 0; asked() === times && waited < 40_000; waited += 100) run.clock.advance(100)
  }
  assert.equal(asked(), 12)
  assert.deepEqual(run.names(), ['connected', 'error'])
  opened(run.call(0))
  run.clock.advance(100_000)
  assert.deepEqual([asked(), run.names()], [12, ['connected', 'error', 'online']])
})

test('a tunnel that is to be asked for again while the link is gone is asked for once it is back', () => {
  const run = start()
  run.call(0).welcome()
  run.clock.advance(10)
  refused(run.call(0), 'limit')
  run.clock.advance(10)
  run.call(0).end('link-lost')
  run.clock.advance(1_000)
  run.call(1).welcome(run.call(0).mux)
  run.clock.advance(10)
  assert.equal(run.call(0).frames.filter(frame => frame.case === 'openTunnel').length, 2)
  opened(run.call(1))
  run.clock.advance(10)
  assert.equal(run.events.at(-1)?.event, 'online')
})

test('a server that does not answer for a tunnel is dialled again', () => {
  const run = start()
  run.call(0).welcome()
  run.clock.advance(11_000)
  assert.equal(run.dials(), 2)
})

test('a refused token ends with 3 without another try', async () => {
  const run = start()
  run.call(0).end('token-refused', 'no')
  assert.equal(await exitCodeOf(run), 3)
  assert.equal(run.dials(), 1)
  assert.match(JSON.stringify(run.events), /"code":"token-refused".*pbt init/)
})

test('a token that is revoked in mid-session ends with 3', async () => {
  const run = online()
  run.call(0).mux.goAway('token-revoked', 'rotated', false, 0)
  assert.equal(await exitCodeOf(run), 3)
})

test('a tunnel closed by hand is told and not opened again', async () => {
  const run = online()
  closed(run.call(0), 'killed')
  run.clock.advance(10)
  assert.deepEqual(run.events.at(-1), { event: 'closed', number: 1, tunnel: 'app', code: 'killed', reason: 'by hand' })
  assert.equal(await exitCodeOf(run), 5)
  assert.equal(run.dials(), 1)
})

test('a client that is replaced does not fight', async () => {
  const run = online()
  run.call(0).mux.goAway('replaced', 'a newer one came', false, 0)
  assert.equal(await exitCodeOf(run), 1)
  assert.deepEqual(run.events.at(-1), {
    event: 'closed',
    number: 1,
    tunnel: 'app',
    code: 'replaced',
    reason: 'a newer one came',
  })
  assert.equal(run.dials(), 1)
})

test('when the server goes down what is in flight is finished while a new session is sought', () => {
  const run = online()
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.call(0).mux.goAway('shutdown', 'restarting', true, 2_000)
  run.clock.advance(1_000)
  assert.equal(run.dials(), 1)
  assert.equal(run.call(0).isHungUp, false)
  run.clock.advance(1_100)
  assert.equal(run.dials(), 2)
  assert.equal(run.call(1).hello.resume, undefined)
  run.call(1).welcome()
  run.clock.advance(10)
  opened(run.call(1))
  run.clock.advance(10)
  assert.equal(run.accepted[0]?.isOpen, true)
  run.call(0).end('link-lost')
  assert.equal(run.accepted[0]?.isOpen, false)
  assert.deepEqual(run.names(), ['connected', 'online', 'reconnecting', 'connected', 'online'])
})

test('H6: the link of a server that goes down serves until the server closes it', () => {
  const run = online()
  run.call(0).mux.goAway('shutdown', 'restarting', true, 60_000)
  run.clock.advance(10_000)
  assert.equal(run.call(0).isHungUp, false, 'a visitor of the old server may still ask')
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  assert.equal(run.accepted[0]?.isOpen, true)
  run.call(0).end('link-lost')
  assert.equal(run.accepted[0]?.isOpen, false)
  assert.deepEqual(run.names(), ['connected', 'online', 'reconnecting'])
})

test('payload is counted by tunnel over sessions, and nothing that the link adds', () => {
  const run = online()
  const visitors: Channel[] = []
  const handler = { onReset: () => {}, onHead: () => {} }
  const visit = (call: number) => {
    const channel = run.call(call).mux.open({ kind: 'http', head: HEAD }, false, handler)
    visitors.push(channel)
    channel.write(Buffer.alloc(1_000))
    run.clock.advance(10)
  }
  assert.deepEqual([...run.agent.carried.byTunnel()], [])
  visit(0)
  assert.deepEqual([...run.agent.carried.byTunnel()], [[1, { open: 1, bytesIn: 1_000, bytesOut: 0 }]])
  visitors[0]?.reset('cancelled', 'went away')
  run.clock.advance(10)
  visit(0)
  assert.deepEqual([...run.agent.carried.byTunnel()], [[1, { open: 1, bytesIn: 2_000, bytesOut: 0 }]])
  run.call(0).end('link-lost')
  run.clock.advance(600)
  run.call(1).welcome()
  run.clock.advance(10)
  opened(run.call(1))
  visit(1)
  assert.deepEqual([...run.agent.carried.byTunnel()], [[1, { open: 1, bytesIn: 3_000, bytesOut: 0 }]])
  assert.deepEqual(run.agent.carried.openOf(1, 10), [
    { visitor: HEAD.visitor, ageMs: 10 - DELAY_MS, bytesIn: 1_000, bytesOut: 0 },
  ])
})
