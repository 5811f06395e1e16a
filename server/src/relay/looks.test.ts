import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { SessionFrame } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { Feature, HelloSchema, LookedOutsideSchema, LookedOutside_Outcome as Outcome } from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { Looks } from './looks.ts'
import { NO_NEWS } from './news.ts'
import { Sessions, type SessionsOptions } from './sessions.ts'

const PLACE = { address: '203.0.113.7', port: 80, protocol: 'tcp' } as const
const never = new AbortController().signal

function looks() {
  const clock = new FakeClock()
  const sent: SessionFrame[] = []
  const asking = new Looks(frame => sent.push(frame), clock)
  const answer = (id: bigint, outcome: Outcome, message = '') =>
    asking.answered(create(LookedOutsideSchema, { id, outcome, message }))
  return { clock, sent, asking, answer }
}

test('a question is answered by its own answer', async () => {
  const { sent, asking, answer } = looks()
  const one = asking.ask(PLACE, 'laptop', never)
  const two = asking.ask({ ...PLACE, port: 53, protocol: 'udp' }, 'laptop', never)
  assert.deepEqual(
    sent.map(({ value }) => value),
    [
      { $typeName: 'pbt.tunnel.v1.LookOutside', id: 1n, address: '203.0.113.7', port: 80, udp: false },
      { $typeName: 'pbt.tunnel.v1.LookOutside', id: 2n, address: '203.0.113.7', port: 53, udp: true },
    ],
  )
  answer(99n, Outcome.REACHED)
  answer(2n, Outcome.REFUSED, 'refused\x1b[31m')
  answer(1n, Outcome.REACHED, 'connected')
  assert.deepEqual(await one, { isReachable: true, isRefused: false, words: 'client "laptop": connected' })
  assert.deepEqual(await two, { isReachable: false, isRefused: true, words: 'client "laptop": refused?[31m' })
})

test('no answer, one that says nothing, and a client that goes are no sight', async () => {
  const { clock, asking, answer } = looks()
  const late = asking.ask(PLACE, 'laptop', never)
  clock.advance(15_000)
  assert.equal(await late, undefined)
  const unseen = asking.ask(PLACE, 'laptop', never)
  answer(2n, Outcome.UNSPECIFIED)
  assert.equal(await unseen, undefined)
  const gone = asking.ask(PLACE, 'laptop', never)
  asking.end()
  assert.equal(await gone, undefined)
  assert.equal(await asking.ask(PLACE, 'laptop', AbortSignal.abort()), undefined)
})

test('only clients in other networks that say they look are asked, the newest first', async t => {
  const log: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
  const options = { clock: new FakeClock(), log, random: () => 0, baseDomain: 'b', agent: 'test', news: NO_NEWS }
  const sessions = new Sessions(options as unknown as SessionsOptions)
  const asked: string[] = []
  const join = (address: string, features: readonly Feature[]) => {
    const hello = { major: 1, clientId: address, machineId: address, generation: 1n, features: [...features] }
    const { session } = sessions.join(create(HelloSchema, hello), 1)
    session.attach({ write: () => {}, address, close: () => {}, drop: () => {} }, 0)
    t.mock.method(session.looks, 'ask', async () => {
      asked.push(address)
      return undefined
    })
  }
  join('198.51.100.1', [Feature.LOOK_OUTSIDE])
  join('198.51.100.2', [Feature.LOOK_OUTSIDE])
  join('198.51.100.3', [])
  for (const inside of ['127.0.0.1', '::1', '192.168.1.5', '10.0.0.1', 'fd00::1', '203.0.113.7', '100.64.0.1'])
    join(inside, [Feature.LOOK_OUTSIDE])
  assert.equal(await sessions.lookOutside(PLACE, ['203.0.113.7'], never), undefined)
  assert.deepEqual(asked, ['198.51.100.2', '198.51.100.1'])
})
