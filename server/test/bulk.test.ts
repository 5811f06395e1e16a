// 1 GiB each way, twice, over HTTP/1.1 and HTTP/2: whole, and in memory that does not grow with it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startPbt } from './support/programs.ts'
import { receive, send, watchMemory } from './support/streams.ts'
import { httpTarget } from './support/targets.ts'
import { http2Visitor } from './support/visitors.ts'

const BYTES = 1024 * 1024 * 1024
/** From the first gigabyte to the second. */
const MAX_GROWTH = 64 * 1024 * 1024
/** From the start on: the heap's first limit, the buffers outside of it and compiled code. */
const MAX_TOTAL = 192 * 1024 * 1024

function bulkTarget(t: TestContext) {
  return httpTarget(t, (incoming, response) => {
    if (incoming.method === 'GET') {
      response.writeHead(200, { 'content-length': BYTES })
      void send(response, 1, BYTES)
    } else receive(incoming).then(({ hash }) => response.end(hash))
  })
}

/** Memory of server and client while `visit` goes both ways twice: the heap finds its size with the first. */
async function watch(t: TestContext, pids: readonly number[], visit: () => Promise<void>): Promise<void> {
  const total = watchMemory(pids)
  await visit()
  const later = watchMemory(pids)
  await visit()
  judge(t, 'grew', later.growth(), MAX_GROWTH)
  judge(t, 'grew from the start on', total.growth(), MAX_TOTAL)
}

function judge(t: TestContext, how: string, growth: readonly number[], most: number): void {
  const [server, client] = growth.map(bytes => Math.round(bytes / 2 ** 20))
  t.diagnostic(`server and client ${how} by ${server} and ${client} MiB`)
  assert.ok(Math.max(...growth) < most, `server and client ${how} by ${server} and ${client} MiB`)
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
