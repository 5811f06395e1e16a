// The control socket: for its owner only, one request a connection, and nothing that is sent to it ends or fills the process.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { Failure } from '../failure.ts'
import { ask, type Told } from './ask.ts'
import { serveControl, socketFolder, type Verbs } from './control.ts'

function serve(t: TestContext, verbs: Verbs) {
  const home = mkdtempSync(join(tmpdir(), 'pbt-run-'))
  const close = serveControl(home, verbs)
  t.after(() => {
    close()
    rmSync(home, { recursive: true })
  })
  const path = join(socketFolder(home), `${process.pid}.sock`)
  return { home, path, close }
}

async function send(path: string, bytes: string): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write(bytes)
  return await text(socket).catch(() => 'cut')
}

async function asked(home: string, request: Told) {
  const lines: Told[] = []
  const end = await ask(home, process.pid, request, line => lines.push(line))
  return { end, lines }
}

test('A13: the socket is its owner’s alone, answers one request with events, and is gone at the end', async t => {
  const { home, path, close } = serve(t, {
    status: ({ more }, tell) => {
      tell({ event: 'process', more })
      tell({ event: 'process', more: 'again' })
    },
    fail: () => {
      throw new Failure('usage', 'no', { cure: 'yes' })
    },
    break: async () => {
      await Promise.resolve()
      throw new Error('a fault')
    },
  })
  const { end, lines } = await asked(home, { request: 'status', more: 7 })
  assert.equal(end, 'answered')
  assert.deepEqual([statSync(socketFolder(home)).mode & 0o777, statSync(path).mode & 0o777], [0o700, 0o600])
  assert.deepEqual(
    lines.map(({ event, more }) => [event, more]),
    [
      ['process', 7],
      ['process', 'again'],
    ],
  )
  assert.match(String(lines[0]?.time), /^\d{4}-\d\d-\d\dT/)
  const codes: unknown[] = []
  for (const request of ['fail', 'break', 'toString', '__proto__', 'nothing']) {
    codes.push((await asked(home, { request })).lines.map(({ event, code }) => [event, code]))
  }
  const wrong = [['error', 'usage']]
  assert.deepEqual(codes, [wrong, [['error', 'internal']], wrong, wrong, wrong])
  close()
  assert.deepEqual(readdirSync(socketFolder(home)), [])
  assert.equal((await asked(home, { request: 'status' })).end, 'gone')
})

test('A13: what is no request, or is too long, is refused, and the next one is served', async t => {
  const { home, path } = serve(t, { status: (_request, tell) => tell({ event: 'process' }) })
  for (const junk of ['\n', 'GET / HTTP/1.1\r\n\r\n', '[]\n', 'null\n', '"status"\n', '{"request":\n', '\0\xff\n']) {
    const { event, code } = JSON.parse(await send(path, junk)) as Told
    assert.deepEqual([event, code], ['error', 'usage'], junk)
  }
  assert.ok(!(await send(path, 'x'.repeat(2 ** 20 + 1))).includes('process'))
  assert.equal((await asked(home, { request: 'status' })).lines.length, 1)
})

test('a stream of events ends when its reader goes, and a reader who does not read is given up', async t => {
  const goneOnce = Promise.withResolvers<void>()
  const { home, path } = serve(t, {
    logs: async (_request, tell, gone) => {
      const timer = setInterval(() => tell({ event: 'online', text: 'x'.repeat(100_000) }), 1)
      await once(gone, 'abort')
      clearInterval(timer)
      goneOnce.resolve()
    },
  })
  const socket = connect({ path })
  socket.on('error', () => {})
  socket.write('{"request":"logs"}\n')
  // Never read.
  await goneOnce.promise
  socket.destroy()
  const stopping = new AbortController()
  let count = 0
  const end = await ask(home, process.pid, { request: 'logs' }, () => ++count === 3 && stopping.abort(), {
    silenceMs: Infinity,
    signal: stopping.signal,
  })
  assert.deepEqual([end, count >= 3], ['answered', true])
})
