// What one visitor may have of a session and of memory: real sockets, the clock by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type ChannelHandler, KIB, PbtError } from '@pbt/proto'
import type { LiveTunnel } from '../../relay/registry.ts'
import { NO_LIMIT } from '../testing/access.ts'
import { channelThat, REQUEST, UPGRADE, visited } from '../testing/http1-visited.ts'

test('a request for which the session has no channel left is told so at once', async t => {
  const { visitor, state } = await visited(t, () => {
    throw new PbtError('limit', 'too many channels')
  })
  visitor.write(REQUEST)
  while (!state.text.includes('pbt-error')) await once(visitor, 'data')
  assert.match(state.text, /^HTTP\/1\.1 503 [\s\S]*pbt-error: overloaded\r\n[\s\S]*retry-after: 5/)
})

for (const request of [REQUEST, UPGRADE]) {
  const what = request === REQUEST ? 'a request' : 'an upgrade'
  test(`the last channels of a session are for addresses that have little under way: ${what}`, async t => {
    const { open } = channelThat(() => true)
    const opened: string[] = []
    const noting: LiveTunnel['open'] = (head, end, handler) => {
      opened.push(head.method)
      return open(head, end, handler)
    }
    const large = await visited(t, noting, true, { ...NO_LIMIT, isSmall: false })
    large.visitor.write(request)
    while (!large.state.text.includes('pbt-error')) await once(large.visitor, 'data')
    assert.match(large.state.text, /^HTTP\/1\.1 429 [\s\S]*pbt-error: limited/)
    assert.deepEqual(opened, [])
    const small = await visited(t, noting, true)
    await small.arrived(request)
    assert.deepEqual(opened, ['GET'])
  })

  test(`${what} of an address that has too many is told so and counted down once, however it ends`, async t => {
    const counts = { began: 0, ended: 0 }
    const use = {
      ...NO_LIMIT,
      began: () => ++counts.began <= 1,
      ended: () => counts.ended++,
    }
    const { open } = channelThat(() => true)
    const first = await visited(t, open, false, use)
    await first.arrived(request)
    const second = await visited(t, open, false, use)
    second.visitor.write(request)
    while (!second.state.text.includes('pbt-error')) await once(second.visitor, 'data')
    assert.match(second.state.text, /^HTTP\/1\.1 429 /)
    second.visitor.destroy()
    await once(second.socket, 'close')
    assert.deepEqual(counts, { began: 2, ended: 0 })
    first.visitor.resetAndDestroy()
    await new Promise(resolve => first.socket.once('close', resolve))
    assert.deepEqual(counts, { began: 2, ended: 1 })
  })
}

const ANSWERS = [
  ['of a known length', REQUEST, { status: 200, headers: ['content-length', '1000000'], upgrade: '' }],
  ['in chunks', REQUEST, { status: 200, headers: [], upgrade: '' }],
  ['after an upgrade', UPGRADE, { status: 101, headers: [], upgrade: 'websocket' }],
  ['instead of an upgrade', UPGRADE, { status: 200, headers: [], upgrade: '' }],
] as const

for (const [name, request, head] of ANSWERS) {
  test(`small pieces that wait for a visitor do not keep their batch: an answer ${name}`, async t => {
    const handlers: ChannelHandler[] = []
    const { open } = channelThat(() => true)
    const { visitor, socket } = await visited(t, (requestHead, end, handler) => {
      handlers.push(handler)
      return open(requestHead, end, handler)
    })
    visitor.write(request)
    while (handlers.length === 0) await once(socket, 'data')
    const [handler] = handlers
    handler?.onHead?.({ ...head, reason: 'OK', headers: [...head.headers] }, false)
    await once(visitor, 'data')
    const batch = Buffer.from(new ArrayBuffer(96 * KIB))
    const write = t.mock.method(socket, 'write')
    // Nothing is taken from here on.
    socket.cork()
    const [first, small, large] = [batch.subarray(0, 8 * KIB), batch.subarray(0, 9 * KIB), batch.subarray(0, 64 * KIB)]
    for (const piece of [first, small, small, large]) handler?.onData?.(piece, false)
    const written = write.mock.calls.map(({ arguments: [what] }) => what as string | Buffer).filter(Buffer.isBuffer)
    assert.deepEqual(
      written.map(({ length }) => length),
      [first, small, small, large].map(({ length }) => length),
    )
    assert.deepEqual(
      written.map(({ buffer }) => buffer === batch.buffer),
      [true, false, false, true],
    )
  })
}
