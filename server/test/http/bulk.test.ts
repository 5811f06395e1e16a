// 1 GiB each way, three times, over HTTP/1.1 and HTTP/2: whole, and in memory that does not grow with it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startPbt } from '../support/programs.ts'
import { receive, send, watchMemory } from '../support/streams.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Visitor } from '../support/visitors.ts'

const BYTES = 1024 * 1024 * 1024
/** From fresh programs on: the heap's first limit with the garbage it lets stand, buffers outside of it, compiled code. */
const MAX_TOTAL = 176 * 1024 * 1024
/** By then the heap has found its size, whatever comes after. */
const WARM_TIMES = 2
/** More than until then. */
const MAX_GROWTH = 64 * 1024 * 1024

function bulkTarget(t: TestContext) {
  return httpTarget(t, (incoming, response) => {
    if (incoming.method === 'GET') {
      response.writeHead(200, { 'content-length': BYTES })
      void send(response, 1, BYTES)
    } else receive(incoming).then(({ hash }) => response.end(hash))
  })
}

/** Memory of server and client while `visit` goes both ways again and again. */
async function watch(t: TestContext, pids: readonly number[], visit: () => Promise<void>): Promise<void> {
  const warm = watchMemory(pids)
  for (let time = 0; time < WARM_TIMES; time++) await visit()
  const first = warm.growth()
  const later = watchMemory(pids, warm.peaks())
  await visit()
  const growth = later.growth()
  judge(t, 'grew', growth, MAX_GROWTH)
  judge(
    t,
    'grew from the start on',
    first.map((bytes, index) => bytes + Math.max(0, growth[index] ?? 0)),
    MAX_TOTAL,
  )
}

function judge(t: TestContext, how: string, growth: readonly number[], most: number): void {
  const said = `server and client ${how} by ${growth.map(bytes => Math.round(bytes / 2 ** 20)).join(' and ')} MiB`
  t.diagnostic(said)
  assert.ok(Math.max(...growth) < most, said)
}

test('D7: 1 GiB down and up over HTTP/1.1', async t => {
  const { server, client } = await startPbt(t, await bulkTarget(t))
  const ask = (method: string) =>
    request({ host: '127.0.0.1', port: server.http, headers: { host: 'app.localhost' }, method })
  await watch(t, [server.program.pid, client.pid], async () => {
    const [download] = await once(ask('GET').end(), 'response')
    const down = await receive(download)
    assert.equal(down.bytes, BYTES)
    const post = ask('POST')
    const answered = once(post, 'response')
    const [sent, [answer]] = await Promise.all([send(post, 1, BYTES), answered])
    assert.equal(sent, down.hash)
    assert.equal(await text(answer), sent)
  })
})

test('D7: 1 GiB down and up over HTTP/2', async t => {
  const { server, client } = await startPbt(t, await bulkTarget(t))
  const session = await http2Visitor(t, server)
  session.setLocalWindowSize(8 << 20)
  await watch(t, [server.program.pid, client.pid], async () => {
    const down = await receive(session.request({ ':path': '/' }))
    assert.equal(down.bytes, BYTES)
    const post = session.request({ ':path': '/', ':method': 'POST' })
    const [sent, answer] = await Promise.all([send(post, 1, BYTES), text(post)])
    assert.equal(sent, down.hash)
    assert.equal(answer, sent)
  })
})
