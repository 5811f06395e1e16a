import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { resetStream } from './reset.ts'

/** Both ends of a connection, of which the far one sends for ever and the near one does not read. */
async function pair(t: TestContext, path?: string): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  t.after(() => server.close())
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path })
  await once(server, 'listening')
  const address = server.address()
  const where = typeof address === 'object' ? { port: address?.port ?? 0 } : { path: address }
  const near = connect({ ...where, allowHalfOpen: true })
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  t.after(() => [near, far].map(socket => socket.destroy()))
  near.on('error', () => {})
  near.pause()
  const pour = () => {
    while (far.writable && far.write(Buffer.alloc(16_384)));
  }
  far.on('drain', pour)
  pour()
  return { near, far }
}

/** Resolves with the error of the far end once both are closed. */
async function ends({ near, far }: { near: Socket; far: Socket }): Promise<unknown> {
  let code: unknown
  far.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code
  })
  await Promise.all([near, far].map(socket => new Promise(resolve => socket.once('close', resolve))))
  return code
}

for (const [name, before] of [
  ['that is open', () => {}],
  ['with bytes that its peer does not read', (near: Socket) => near.write(Buffer.alloc(10_000_000))],
  ['that has just been ended', (near: Socket) => near.end()],
  ['that has just been ended, with bytes', (near: Socket) => near.end(Buffer.alloc(10_000_000))],
] as const) {
  test(`F2: a connection ${name} is reset`, async t => {
    const both = await pair(t)
    const over = ends(both)
    before(both.near)
    resetStream(both.near)
    assert.match(String(await over), /^(ECONNRESET|EPIPE)$/)
  })
}

test('F2: a connection whose end is out is reset', async t => {
  const both = await pair(t)
  const over = ends(both)
  both.near.end()
  await once(both.near, 'finish')
  resetStream(both.near)
  assert.match(String(await over), /^(ECONNRESET|EPIPE)$/)
})

test('a unix socket, which has no reset, is closed', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const both = await pair(t, join(directory, 'socket'))
  const over = ends(both)
  resetStream(both.near)
  await over
})
