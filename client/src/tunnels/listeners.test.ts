// That nothing listens on a target is told at once and once, and that something does again; without connecting to it.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { lastingPort } from '../../../server/test/support/ports.ts'
import { parseTarget } from '../config/target.ts'
import type { TunnelPlan } from '../session/session.ts'
import { Listeners } from './listeners.ts'
import { isListening, type Listening, readListening } from './listening.ts'

const NOBODY: Listening = { tcp: new Set(), udp: new Set(), unix: new Set() }
const at = (text: string) => parseTarget(text).endpoint

function plan(number: number, target: string, kind: TunnelPlan['kind'] = 'tcp'): TunnelPlan {
  return {
    ...{ number, kind, name: '', domains: [], port: 0, allow: [], idleTimeoutMs: 0, replyFactor: undefined, target },
    ...{ endpoint: at(target), forwarder: { accept: () => {}, close: () => {} } },
  }
}

function watched(...plans: TunnelPlan[]) {
  const clock = new FakeClock()
  const seen: [number, string][] = []
  const state = { listening: NOBODY as Listening | undefined, looks: 0 }
  const listeners = new Listeners({
    clock,
    readListening: () => {
      state.looks++
      return state.listening
    },
    onSeen: (number, message) => seen.push([number, message]),
  })
  for (const each of plans) listeners.watch(each)
  clock.advance(1)
  return { clock, seen, state, listeners }
}

test('what listens on this machine is found in the tables of the system, whatever address it is bound to', {
  skip: process.platform !== 'linux',
}, async t => {
  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    const port = await lastingPort()
    const server = createServer()
    const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
    await listening.catch(() => {})
    t.after(() => server.close())
    if (!server.listening) continue // no IPv6 here
    const found = readListening() ?? NOBODY
    assert.equal(isListening(found, 'tcp', at(String(port))), true, host)
    assert.equal(isListening(found, 'udp', at(String(port))), false, host)
    await new Promise(resolve => server.close(resolve))
    assert.equal(isListening(readListening() ?? NOBODY, 'tcp', at(String(port))), false, host)
  }
})

test('a missing target is told at once, and again only when it is there; one that listens is not looked at again', () => {
  const { clock, seen, state } = watched(plan(1, '127.0.0.1:3000'), plan(2, 'unix:/run/app'), plan(3, 'nas.lan:80'))
  assert.deepEqual(seen, [
    [1, 'nothing listens on 127.0.0.1:3000'],
    [2, 'nothing listens on unix:/run/app'],
  ])
  seen.length = 0
  state.listening = { ...NOBODY, tcp: new Set(['00000000:0BB8']), unix: new Set(['/run/app']) }
  clock.advance(2_000)
  assert.deepEqual(seen, [
    [1, ''],
    [2, ''],
  ])
  const { looks } = state
  clock.advance(60_000)
  assert.equal(state.looks, looks, 'nothing is left to look for')
})

test('a target is looked for often at first, and seldom when it stays away', () => {
  const { clock, seen, state, listeners } = watched(plan(1, '127.0.0.1:3000'))
  assert.equal(state.looks, 1)
  clock.advance(8_000)
  assert.equal(state.looks, 4)
  state.looks = 0
  clock.advance(60_000)
  assert.ok(state.looks <= 3, `${state.looks} looks in a minute`)
  clock.advance(240_000)
  state.looks = 0
  clock.advance(600_000)
  assert.equal(state.looks, 10)
  seen.length = 0
  state.listening = { ...NOBODY, tcp: new Set(['0100007F:0BB8']) }
  clock.advance(60_000)
  assert.deepEqual(seen, [[1, '']])
  listeners.end()
})

test('who asks hears how it is now, however long nothing was there; asking again and again costs a look a second', () => {
  const { clock, seen, state, listeners } = watched(plan(1, '127.0.0.1:3000'))
  clock.advance(3_600_000)
  state.looks = 0
  seen.length = 0
  for (let asked = 0; asked < 40; asked++) {
    listeners.freshen()
    clock.advance(50)
  }
  assert.ok(state.looks <= 3, `${state.looks} looks in two seconds`)
  clock.advance(1_000)
  state.listening = { ...NOBODY, tcp: new Set(['0100007F:0BB8']) }
  seen.length = 0
  listeners.freshen()
  assert.deepEqual(seen, [[1, '']])
  state.looks = 0
  listeners.freshen()
  clock.advance(600_000)
  assert.equal(state.looks, 0, 'what is there is not looked for')
  listeners.end()
})

test('a system that tells nothing is asked once, and a tunnel that is over is not looked for', () => {
  const { clock, seen, state, listeners } = watched()
  state.listening = undefined
  listeners.watch(plan(1, '127.0.0.1:3000'))
  clock.advance(10_000)
  assert.deepEqual([seen, state.looks], [[], 1])
  state.listening = NOBODY
  listeners.watch(plan(2, '127.0.0.1:3000'))
  listeners.forget(2)
  clock.advance(10_000)
  assert.deepEqual(seen, [])
  listeners.end()
})
