// Buffers that reads go into again and again: never while something of what was read is still to be sent.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Batch, BatchWriter, bufferOf } from '../codec/encode.ts'
import { READ_BYTES } from '../limits.ts'
import { ReadBuffers, readBuffers, withReadBuffers } from './read-buffers.ts'

test('a buffer comes back when every byte read into it is in a message, not before', () => {
  const buffers = new ReadBuffers()
  const first = take(buffers)
  const chunk = buffers.lend(first, READ_BYTES)
  buffers.copied(chunk.subarray(0, 100))
  assert.notEqual(take(buffers), first)
  buffers.copied(chunk.subarray(100))
  assert.equal(take(buffers), first)
  assert.notEqual(take(buffers), first)
})

test('a buffer that nothing was sent from comes back at once, other memory never', () => {
  const buffers = new ReadBuffers()
  const first = take(buffers)
  buffers.giveBack(first)
  assert.equal(take(buffers), first)
  const strange = Buffer.alloc(READ_BYTES)
  buffers.copied(strange)
  assert.notEqual(take(buffers), strange)
})

test('sockets that fall silent with a buffer ready are only so many', () => {
  const buffers = new ReadBuffers()
  let taken = 0
  while (buffers.take() !== undefined) taken++
  assert.equal(taken, 64)
  buffers.giveBack(Buffer.alloc(READ_BYTES))
  assert.ok(buffers.take())
  assert.equal(buffers.take(), undefined)
})

test('a batch can be copied again when what it was made of has been overwritten', () => {
  const chunk = readBuffers.lend(take(readBuffers), READ_BYTES).fill('a')
  const batch = batchOf(chunk.subarray(0, 40_000), chunk.subarray(40_000))
  const first = Buffer.from(bufferOf(batch))
  assert.equal(take(readBuffers).buffer, chunk.buffer)
  chunk.fill('b')
  assert.deepEqual(bufferOf(batch), first)
  assert.equal(batch.length, first.length)
})

test('a piece that is copied at once, being small, counts as well', () => {
  const chunk = readBuffers.lend(take(readBuffers), READ_BYTES)
  const batch = batchOf(chunk.subarray(0, READ_BYTES - 1_000), chunk.subarray(READ_BYTES - 1_000))
  assert.notEqual(take(readBuffers).buffer, chunk.buffer)
  bufferOf(batch)
  assert.equal(take(readBuffers).buffer, chunk.buffer)
})

test('a socket reads bulk into few buffers when it is sent at once, and never over what is not sent', async t => {
  const sent = random(8_000_000)
  for (const isSentAtOnce of [true, false]) {
    const socket = await socketThatIsSent(t, sent)
    const chunks: Buffer[] = []
    const messages: Buffer[] = []
    const memory = new Set<ArrayBufferLike>()
    let again = 0
    socket.on('data', (chunk: Buffer) => {
      if (memory.has(chunk.buffer)) again++
      if (chunk.buffer.byteLength === READ_BYTES) memory.add(chunk.buffer)
      if (isSentAtOnce) messages.push(messageOf(chunk))
      else chunks.push(chunk)
    })
    await once(socket, 'end')
    if (isSentAtOnce) assert.ok(again > 20, `buffers were used again ${again} times`)
    else assert.equal(again, 0)
    const got = isSentAtOnce ? messages : chunks.map(messageOf)
    assert.ok(Buffer.concat(got).equals(sent), `the same bytes, ${isSentAtOnce ? 'sent at once' : 'kept'}`)
  }
})

test('a socket that is paused stops reading, and goes on', async t => {
  const sent = random(3_000_000)
  const socket = await socketThatIsSent(t, sent)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => {
    assert.ok(!socket.isPaused(), 'data while paused')
    chunks.push(Buffer.from(chunk))
    if (chunks.length % 3 !== 0) return
    socket.pause()
    setImmediate(() => socket.resume())
  })
  await once(socket, 'end')
  assert.ok(Buffer.concat(chunks).equals(sent))
})

function take(buffers: ReadBuffers): Buffer {
  const buffer = buffers.take()
  assert.ok(buffer)
  return buffer
}

function batchOf(...pieces: readonly Uint8Array[]): Batch {
  const writer = new BatchWriter()
  for (const piece of pieces) writer.add(1, false, piece)
  return writer.finish(0, 1)
}

/** What a batch with the chunk in it says, without the framing in front. */
function messageOf(chunk: Buffer): Buffer {
  const bytes = bufferOf(batchOf(chunk))
  return bytes.subarray(bytes.length - chunk.length)
}

function random(bytes: number): Buffer {
  let state = 1
  const buffer = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    buffer.writeUInt32LE(state, at)
  }
  return buffer
}

/** A connected socket with such reads, whose peer sends the bytes and ends. */
async function socketThatIsSent(t: TestContext, bytes: Buffer): Promise<Socket> {
  const server = createServer(peer => {
    t.after(() => peer.destroy())
    peer.end(bytes)
  })
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const socket = withReadBuffers(onread => new Socket({ onread }))
  t.after(() => socket.destroy())
  socket.connect(port, '127.0.0.1')
  return socket
}
