// How long a body is waited for: real sockets, the clock by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { ChannelHandler } from '@pbt/proto'
import { NO_LIMIT } from '../testing/access.ts'
import { channelThat, visited } from '../testing/http1-visited.ts'

const UPLOAD = 'POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000000\r\n\r\n'

test('D7: a body that trickles or is silent is waited for without end while there is room', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  await arrived(UPLOAD)
  for (let minute = 0; minute < 10; minute++) {
    pass(60)
    await arrived('x')
  }
  pass(3_600)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})

const SHORTAGES = { 'for all visitors': 503, 'at its client': 503, 'for its address': 429 }

for (const [where, status] of Object.entries(SHORTAGES)) {
  test(`E1: where room is short ${where}, a body that brings less than its rate after the grace goes, and the channel learns that it is cut`, async t => {
    const { channel, open } = channelThat(() => true)
    const counts = { ended: 0 }
    const use = { ...NO_LIMIT, isCrowded: where === 'for its address', ended: () => counts.ended++ }
    const { state, ended, pass, arrived } = await visited(t, open, where === 'at its client', use)
    state.isScarce = where === 'for all visitors'
    await arrived(UPLOAD)
    pass(10)
    assert.equal(state.text, '')
    pass(1)
    await ended
    const code = status === 429 ? 'limited' : 'overloaded'
    assert.match(
      state.text,
      new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*pbt-error: ${code}[\\s\\S]*less than 1000 bytes a second`),
    )
    assert.deepEqual(channel.resets, ['cancelled'])
    assert.deepEqual(counts, { ended: 1 })
  })
}

test('E1: a body that was slow and comes fast enough now stays when room gets short', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  await arrived(UPLOAD)
  pass(600)
  state.isScarce = true
  await arrived('x'.repeat(2_000))
  while (channel.bytes < 2_000) await new Promise(setImmediate)
  pass(2)
  assert.deepEqual(channel.resets, [])
  pass(1)
  assert.deepEqual(channel.resets, ['cancelled'])
})

test('E1: once the answer has begun a slow body stays, however short room is', async t => {
  const handlers: ChannelHandler[] = []
  const { channel, open } = channelThat(() => true)
  const { visitor, state, pass, arrived } = await visited(t, (head, end, handler) => {
    handlers.push(handler)
    return open(head, end, handler)
  })
  state.isScarce = true
  await arrived(UPLOAD)
  handlers[0]?.onHead?.({ status: 200, reason: 'OK', headers: [], upgrade: '' }, false)
  await once(visitor, 'data')
  pass(1_000)
  assert.deepEqual(channel.resets, [])
})

test('a body that came fast may pause for a minute, however short room is', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(UPLOAD)
  pass(1)
  await arrived('x'.repeat(200_000))
  while (channel.bytes < 200_000) await new Promise(setImmediate)
  pass(60)
  assert.equal(state.text, '')
  pass(1)
  assert.deepEqual(channel.resets, ['cancelled'])
})

test('a body that the channel does not take is waited for without end', async t => {
  const { channel, open } = channelThat(() => false)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(`${UPLOAD}first`)
  pass(1_000)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})

test('a body held back for 100 Continue is waited for until that has come', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(UPLOAD.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'))
  pass(1_000)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})
