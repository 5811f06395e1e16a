// 1 GiB each way over HTTP/1.1 and HTTP/2: whole, and in memory that does not grow with it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { test } from 'node:test'
import { startPbt } from './support/programs.ts'
import { receive, send, watchMemory } from './support/streams.ts'
import { httpTarget } from './support/targets.ts'
import { http2Visitor } from './support/visitors.ts'

const BYTES = 1024 * 1024 * 1024
const MAX_GROWTH = 64 * 1024 * 1024
/** Goes through first: code is compiled and the heap finds its size once, whatever comes after. */
const WARM_BYTES = 256 * 1024 * 1024

function bulkTarget(t: Parameters<typeof httpTarget>[0]) {
  return httpTarget(t, (incoming, response) => {
    if (incoming.method === 'GET') {
      const bytes = incoming.url === '/warm' ? WARM_BYTES : BYTES
      response.writeHead(200, { 'content-length': bytes })
      void send(response, 1, bytes)
    } else receive(incoming).then(({ hash }) => response.end(hash))
  })
}

function judge(growth: readonly number[]): void {
  for (const [index, bytes] of growth.entries()) {
    assert.ok(bytes < MAX_GROWTH, `${index === 0 ? 'server' : 'client'} grew by ${Math.round(bytes / 1024 / 1024)} MiB`)
  }
}

test('D7: 1 GiB down and up over HTTP/1.1', async t => {
  const { server, client } = await startPbt(t, await bulkTarget(t))
  const ask = (method: string, path = '/') => {
    const options = { host: '127.0.0.1', port: server.http, path, headers: { host: 'app.localhost' } }
    return request({ ...options, method })
  }
  const [warm] = await once(ask('GET', '/warm').end(), 'response')
  await receive(warm)
  const warmPost = ask('POST')
  const [, [warmAnswer]] = await Promise.all([send(warmPost, 1, WARM_BYTES), once(warmPost, 'response')])
  await receive(warmAnswer)
  const memory = watchMemory([server.program.pid, client.pid])
  const get = ask('GET').end()
  const [download] = await once(get, 'response')
  const down = await receive(download)
  assert.equal(down.bytes, BYTES)
  const post = ask('POST')
  const answered = once(post, 'response')
  const [sent, [answer]] = await Promise.all([send(post, 1, BYTES), answered])
  assert.equal(sent, down.hash)
  let text = ''
  for await (const chunk of answer) text += chunk
  assert.equal(text, sent)
  const growth = memory.growth()
  t.diagnostic(`server and client grew by ${growth.map(bytes => Math.round(bytes / 2 ** 20)).join(' and ')} MiB`)
  judge(growth)
})

test('D7: 1 GiB down and up over HTTP/2', async t => {
  const { server, client } = await startPbt(t, await bulkTarget(t))
  const session = await http2Visitor(t, server)
  session.setLocalWindowSize(8 << 20)
  await receive(session.request({ ':path': '/warm' }))
  const warmPost = session.request({ ':path': '/', ':method': 'POST' })
  await Promise.all([send(warmPost, 1, WARM_BYTES), receive(warmPost)])
  const memory = watchMemory([server.program.pid, client.pid])
  const down = await receive(session.request({ ':path': '/' }))
  assert.equal(down.bytes, BYTES)
  const post = session.request({ ':path': '/', ':method': 'POST' })
  let text = ''
  post.on('data', chunk => {
    text += chunk
  })
  const ended = once(post, 'end')
  const sent = await send(post, 1, BYTES)
  await ended
  assert.equal(sent, down.hash)
  assert.equal(text, sent)
  const growth = memory.growth()
  t.diagnostic(`server and client grew by ${growth.map(bytes => Math.round(bytes / 2 ** 20)).join(' and ')} MiB`)
  judge(growth)
})
