// Visitors who never read hold up nobody and cost a bounded amount of memory.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type RunningServer, startPbt } from '../support/programs.ts'
import { watchMemory } from '../support/streams.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Visitor, type RawVisitor, rawVisitor } from '../support/visitors.ts'

const STUCK = 10
const REQUESTS = 500
/** Bytes read by each visitor beforehand. */
const WARM_UP = 64 * 1024 * 1024
const MAX_GROWTH = 64 * 1024 * 1024

function target(t: Parameters<typeof httpTarget>[0]) {
  const piece = Buffer.alloc(64 * 1024)
  return httpTarget(t, (request, response) => {
    if (request.url !== '/endless') {
      response.end('quick')
      return
    }
    const go = () => {
      while (!response.destroyed && response.write(piece));
    }
    response.on('drain', go)
    response.on('error', () => {})
    go()
  })
}

/** The median and the slowest hundredth of requests one after the other, in ms. */
async function quickness(visitor: RawVisitor): Promise<{ median: number; slow: number }> {
  const times: number[] = []
  for (let count = 0; count < REQUESTS; count++) {
    visitor.text = ''
    const began = performance.now()
    visitor.send('GET /quick HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
    await visitor.until(/quick$/)
    times.push(performance.now() - began)
  }
  times.sort((left, right) => left - right)
  return { median: times[REQUESTS / 2] ?? 0, slow: times[Math.floor(REQUESTS * 0.99)] ?? 0 }
}

/** Asks for an answer without end and reads only its beginning. */
async function stick(t: Parameters<typeof rawVisitor>[0], server: RunningServer): Promise<void> {
  const visitor = await rawVisitor(t, server)
  visitor.send('GET /endless HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await visitor.until(/^HTTP\/1\.1 200 OK/)
  visitor.socket.pause()
}

/** Reads the beginning of the endless answer and goes away. */
async function readSome(t: Parameters<typeof rawVisitor>[0], server: RunningServer): Promise<void> {
  const visitor = await rawVisitor(t, server)
  visitor.send('GET /endless HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  let left = WARM_UP
  for await (const chunk of visitor.socket) {
    left -= (chunk as Buffer).length
    if (left < 0) break
  }
}

test('E4: 10 visitors who never read, over HTTP/1.1 and HTTP/2: others are as quick as before', async t => {
  const { server, client } = await startPbt(t, await target(t))
  const visitor = await rawVisitor(t, server)
  await quickness(visitor)
  const before = await quickness(visitor)
  // What the engine keeps for bulk in any case is not what the visitors cost.
  await Promise.all(Array.from({ length: 4 }, () => readSome(t, server)))
  const memory = watchMemory([server.program.pid, client.pid])
  for (let count = 0; count < STUCK; count++) {
    await stick(t, server)
    const session = await http2Visitor(t, server)
    const stream = session.request({ ':path': '/endless' })
    stream.on('error', () => {})
    await once(stream, 'response')
  }
  const beside = await quickness(visitor)
  // Not a measurement (bench/fair is): whoever waits for the stuck ones waits for ever.
  assert.ok(beside.median < before.median * 3 + 5, `median ${beside.median} ms beside, ${before.median} ms before`)
  for (const bytes of memory.growth()) assert.ok(bytes < MAX_GROWTH, `grew by ${bytes} bytes`)
})
