// Which connections a pool keeps, with a clock that the test moves and a real target.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { parseTarget } from '../config/target.ts'
import type { Connection } from './connection.ts'
import { hasToldSince, moment } from './loop.ts'
import { Places } from './places.ts'
import { Pool } from './pool.ts'

const VISITOR = ''
/** What a target says that it keeps a connection for, and what is shown of one that says nothing. */
const SAID = [60, undefined] as const

/** The loop tells what came along with an answer. */
async function told(): Promise<void> {
  const released = moment()
  while (!hasToldSince(released)) await new Promise(setImmediate)
}

async function poolOf(t: TestContext) {
  const sockets: Socket[] = []
  const server = createServer(socket => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clock = new FakeClock()
  const target = parseTarget(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  const pool = new Pool({ target, alpn: 'http/1.1', clock, places: new Places(10) })
  t.after(() => {
    pool.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const dialled = () =>
    new Promise<Connection>((resolve, reject) => pool.dial({ onConnection: resolve, onUnreachable: reject }))
  return { clock, pool, dialled }
}

for (const said of SAID) {
  const words = said === undefined ? 'that says nothing' : 'that says how long it keeps them'
  test(`a connection that rests when the next request comes is closed for a target ${words}, which may serve one at a time`, async t => {
    const { clock, pool, dialled } = await poolOf(t)
    const first = await dialled()
    pool.release(first, said)
    assert.equal(pool.take(VISITOR), undefined, 'the loop has not told yet what came along with the answer')
    const second = await dialled()
    clock.advance(99)
    assert.equal(first.socket.destroyed, false)
    clock.advance(1)
    assert.equal(first.socket.destroyed, true)
    second.destroy()
  })
}

test('one that rested and was taken by a later request, or that no request came for, is kept', async t => {
  const { clock, pool, dialled } = await poolOf(t)
  const first = await dialled()
  pool.release(first, 60)
  assert.equal(pool.take(VISITOR), undefined)
  const second = await dialled()
  await told()
  assert.equal(pool.take(VISITOR), first)
  pool.release(second, 60)
  await told()
  clock.advance(500)
  assert.deepEqual([first.socket.destroyed, second.socket.destroyed], [false, false])
  assert.equal(pool.take(VISITOR), second)
  first.destroy()
  second.destroy()
})
