// Node keeps an accepted connection's handle where read-in-bulk.ts looks for it, and it lives on in a second socket.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { READ_BYTES } from '@pbt/proto'
import { readInBulk } from './read-in-bulk.ts'

/** Both ends of a connection whose server has it read so. */
async function pair(t: TestContext): Promise<{ server: Server; near: Socket; far: Socket; accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  t.after(() => server.close())
  let near: Socket | undefined
  let accepted: Socket | undefined
  server.on('connection', socket => {
    accepted = socket
    near = readInBulk(socket, 16 * 1024)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await Promise.all([once(server, 'connection'), once(far, 'connect')])
  assert.ok(near !== undefined && accepted !== undefined)
  const both = [near, far]
  t.after(() => both.map(socket => socket.destroy()))
  return { server, near, far, accepted }
}

test('it carries bytes both ways, ends of either side, and its addresses', async t => {
  const { near, far, accepted } = await pair(t)
  assert.equal(near.remotePort, far.localPort)
  assert.equal(near.remoteAddress, '127.0.0.1')
  assert.ok(accepted.destroyed)
  near.on('data', chunk => near.write(chunk))
  const echoed: Buffer[] = []
  far.on('data', chunk => echoed.push(Buffer.from(chunk)))
  far.end('hello')
  await once(near, 'end')
  near.end()
  await once(far, 'end')
  assert.equal(Buffer.concat(echoed).toString(), 'hello')
})

test('bulk comes in the buffers that are used again', async t => {
  const { near, far } = await pair(t)
  const sizes = new Set<number>()
  near.on('data', (chunk: Buffer) => {
    if (chunk.length * 2 >= READ_BYTES) sizes.add(chunk.buffer.byteLength)
    assert.ok(chunk.length <= READ_BYTES)
  })
  far.end(Buffer.alloc(20_000_000))
  await once(near, 'end')
  assert.ok(sizes.has(READ_BYTES), [...sizes].join())
})

test('what the peer breaks off is an error, and a reset reaches the peer', async t => {
  const first = await pair(t)
  first.near.on('data', () => {})
  first.far.resetAndDestroy()
  const [error] = await once(first.near, 'error')
  assert.equal(error.code, 'ECONNRESET')
  const second = await pair(t)
  second.near.resetAndDestroy()
  const [seen] = await once(second.far.resume(), 'error')
  assert.equal(seen.code, 'ECONNRESET')
})

test('its server closes without it', async t => {
  const { server, near } = await pair(t)
  const closed = once(server, 'close')
  server.close()
  await closed
  assert.ok(!near.destroyed)
})

test('a connection whose handle is not to be found stays as it is', () => {
  const strange = new Socket()
  assert.equal(readInBulk(strange, 16 * 1024), strange)
  assert.ok(!strange.destroyed)
})
