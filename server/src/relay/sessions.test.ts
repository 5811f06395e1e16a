import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { decodeLinkFrames, type Link, PbtError } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { HelloSchema } from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { NO_NEWS } from './news.ts'
import { Sessions, type SessionsOptions } from './sessions.ts'

const SILENT: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => SILENT }

/** Sessions without tunnels need none of the rooms that serve tunnels. */
function sessionsWith(random: () => number): Sessions {
  const options = { clock: new FakeClock(), log: SILENT, random, baseDomain: 'localhost', agent: 'test', news: NO_NEWS }
  return new Sessions(options as unknown as SessionsOptions)
}

const helloOf = (clientId: string) => create(HelloSchema, { major: 1, clientId, machineId: clientId, generation: 1n })

/** Joins as a client; `waits` gets how long it is told to wait. */
function join(sessions: Sessions, clientId: string, waits: number[]): void {
  const { session } = sessions.join(helloOf(clientId), 1)
  const write: Link['write'] = batch => {
    // Frames of the link are ready buffers.
    for (const frame of decodeLinkFrames(batch as unknown as Uint8Array)) {
      if (frame.case === 'goAway') waits.push(frame.value.reconnectAfterMs)
    }
  }
  session.attach({ write, address: '192.0.2.1', close: () => {}, drop: () => {} }, 0)
}

test('H7: 200 clients of a stopping server come back spread over five seconds, a single one at once', () => {
  let next = 0
  const many = sessionsWith(() => (next++ % 200) / 200)
  const waits: number[] = []
  for (let client = 0; client < 200; client++) join(many, `client-${client}`, waits)
  many.goAway('the server is stopping')
  assert.equal(waits.length, 200)
  const inSecond = [0, 1, 2, 3, 4].map(second => waits.filter(wait => Math.floor(wait / 1_000) === second).length)
  assert.deepEqual(inSecond, [40, 40, 40, 40, 40])

  const one = sessionsWith(() => 1)
  const wait: number[] = []
  join(one, 'client', wait)
  one.goAway('the server is stopping')
  assert.ok((wait[0] ?? 1_000) <= 25, `${wait[0]} ms`)
})

test('H6: a stopping server takes no new session, which would replace the one that still serves', () => {
  const sessions = sessionsWith(() => 0)
  join(sessions, 'client', [])
  sessions.goAway('the server is stopping')
  assert.throws(
    () => sessions.join(helloOf('client'), 1),
    (error: unknown) => error instanceof PbtError && error.code === 'shutdown',
  )
  assert.equal(sessions.size, 1)
})
