// Targets that close connections without a word: no visitor meets such an end, and no request is sent twice.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type RunningServer, startClient, startServer } from '../support/programs.ts'
import { rawTarget } from '../support/targets.ts'
import { type RawVisitor, rawVisitor } from '../support/visitors.ts'

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
/** Even from 0 to 1, the same in each run. */
const spread = (index: number) => (index * 0.618) % 1

interface Service {
  readonly port: number
  /** How often each path was asked for. */
  readonly asked: Map<string, number>
  connections: number
  /** The longest that a connection was not looked at because of one before it; for a target that serves one at a time. */
  waitedMs: number
}

interface ServiceOptions {
  readonly fields?: string
  /** One connection at a time: the next one is looked at when the one before has closed. */
  readonly isSerial?: boolean
}

type After = (socket: Socket, answers: number) => unknown

/** Answers each request with its path, and then does what `after` says; `answers`: those of this connection so far. */
async function service(t: TestContext, after: After, { fields = '', isSerial }: ServiceOptions = {}): Promise<Service> {
  const asked = new Map<string, number>()
  const found = { port: 0, asked, connections: 0, waitedMs: 0 }
  const queue: { readonly socket: Socket; readonly since: number }[] = []
  found.port = await rawTarget(t, socket => {
    found.connections++
    let text = ''
    let answers = 0
    const place = { socket, since: performance.now() }
    if (isSerial && queue.push(place) > 1) socket.pause()
    socket.once('close', () => {
      const wasServed = queue[0] === place
      queue.splice(queue.indexOf(place), 1)
      const [next] = queue
      if (!wasServed || next === undefined) return
      found.waitedMs = Math.max(found.waitedMs, performance.now() - next.since)
      next.socket.resume()
    })
    socket.setNoDelay(true)
    socket.on('end', () => socket.end())
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.endsWith('\r\n\r\n')) return
      const path = text.split(' ', 2)[1] ?? ''
      text = ''
      asked.set(path, (asked.get(path) ?? 0) + 1)
      socket.write(`HTTP/1.1 200 OK\r\n${fields}Content-Length: ${path.length}\r\n\r\n${path}`)
      after(socket, ++answers)
    })
  })
  return found
}

/** A request on a connection that goes on, and the status of its answer. */
async function ask(visitor: RawVisitor, name: string, path: string): Promise<number> {
  const before = visitor.text.length
  visitor.send(`GET ${path} HTTP/1.1\r\nHost: ${name}.localhost\r\n\r\n`)
  const came = () => visitor.text.slice(before)
  await visitor.until(
    () => came().endsWith(`\r\n\r\n${path}`) || /pbt-error: \S+\n$|\(pbt-error: \S+\)\n$/.test(came()),
  )
  return Number(/^HTTP\/1\.1 (\d+)/.exec(came())?.[1])
}

/** Visitors side by side, each with so many requests and these pauses between them: how many were not served; none twice. */
async function visits(
  t: TestContext,
  { server, name, asked }: { server: RunningServer; name: string; asked: Map<string, number> },
  [visitors, requests]: readonly [number, number],
  pauseMs: (count: number) => number = () => 0,
): Promise<number> {
  let failed = 0
  await Promise.all(
    Array.from({ length: visitors }, async (_, index) => {
      const visitor = await rawVisitor(t, server)
      for (let count = 0; count < requests; count++) {
        if ((await ask(visitor, name, `/${index}-${count}`)) !== 200) failed++
        const ms = pauseMs(index * requests + count)
        if (ms > 0) await pause(ms)
      }
    }),
  )
  for (const [path, times] of asked) assert.equal(times, 1, path)
  return failed
}

/** Ends a connection that was idle for so long. */
function endIdle(ms: number): (socket: Socket) => void {
  return socket => {
    const timer = setTimeout(() => socket.end(), ms)
    socket.once('data', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
  }
}

const AFTER_SOME = 5
let closings = 0
/** Those that close after every answer. */
const ENDS: Record<string, After> = {
  at_once: socket => socket.end(),
  soon: socket => setTimeout(() => socket.end(), 3 * spread(closings++)),
  reset: socket => setTimeout(() => socket.resetAndDestroy(), 1),
}
/** Those that close after some. */
const LATER_ENDS: Record<string, After> = {
  fifth: (socket, answers) => answers === AFTER_SOME && socket.end(),
  later: (socket, answers) => answers === AFTER_SOME && setTimeout(() => socket.end(), 2),
}
const PACES = { quick: 20, even: 250, slow: 1_100 }

test('H20: no visitor meets a connection that the target closes without a word, whenever it does, and no request is sent twice', async t => {
  const server = await startServer(t)
  const services = new Map<string, Service>()
  for (const [name, ms] of Object.entries(PACES)) services.set(name, await service(t, endIdle(ms)))
  for (const [name, end] of Object.entries({ ...ENDS, ...LATER_ENDS })) services.set(name, await service(t, end))
  services.set('silent', await service(t, () => {}))
  services.set('saying', await service(t, () => {}, { fields: 'Keep-Alive: timeout=5\r\n' }))
  services.set('serial', await service(t, () => {}, { isSerial: true }))
  const specs = [...services].map(([name, { port }]) => `http:${port},domain=${name.replace('_', '-')}`)
  const { client } = await startClient(t, server, ['up', ...specs])
  const isOnline = () => client.events.filter(({ event }) => event === 'online').length === services.size
  await client.until(() => (isOnline() ? true : undefined), 'all tunnels')
  const at = (name: string) => {
    const found = services.get(name)
    assert.ok(found !== undefined)
    return { server, name: name.replace('_', '-'), asked: found.asked, service: found }
  }

  for (const [name, ms] of Object.entries(PACES)) {
    await t.test(`requests at about the pace of its idle time, ${ms} ms`, async t => {
      const requests = ms > 1_000 ? 10 : 40
      assert.equal(await visits(t, at(name), [6, requests], count => ms - 2 + 3 * spread(count)), 0)
    })
  }
  for (const name of Object.keys(ENDS)) {
    await t.test(`after each answer: ${name}`, async t => {
      assert.equal(await visits(t, at(name), [6, 60], count => (count % 7 === 0 ? 10 * spread(count) : 0)), 0)
    })
  }
  for (const name of Object.keys(LATER_ENDS)) {
    await t.test(`after the fifth answer: ${name}`, async t => {
      const failed = await visits(t, at(name), [6, 60], count => (count % 7 === 0 ? 10 * spread(count) : 0))
      // The first time it cannot be known: once for each connection that there is by then.
      assert.ok(failed <= 6, `${failed} of 360`)
    })
  }
  await t.test(
    'connections that the target keeps are used again: at once when it says so, else when it has shown it',
    async t => {
      const saying = at('saying')
      assert.equal(await visits(t, saying, [1, 100]), 0)
      assert.ok(saying.service.connections <= 5, `${saying.service.connections} connections`)
      const silent = at('silent')
      const begun = performance.now()
      const visitor = await rawVisitor(t, server)
      for (let count = 0; performance.now() - begun < 300; count++) await ask(visitor, 'silent', `/first-${count}`)
      const before = silent.service.connections
      assert.equal(await visits(t, silent, [1, 100]), 0)
      assert.ok(silent.service.connections - before <= 5, `${silent.service.connections - before} connections`)
    },
  )
  await t.test('a target that serves one connection at a time serves the next one within a second', async t => {
    const [first, second] = [await rawVisitor(t, server), await rawVisitor(t, server)]
    assert.equal(await ask(first, 'serial', '/first'), 200)
    assert.equal(await ask(second, 'serial', '/second'), 200)
    for (let count = 0; count < 10; count++) {
      assert.equal(await ask(count % 2 === 0 ? first : second, 'serial', `/${count}`), 200)
    }
    const { waitedMs } = at('serial').service
    assert.ok(waitedMs < 1_000, `${waitedMs} ms`)
  })
})
