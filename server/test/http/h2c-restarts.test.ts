// Targets over HTTP/2 (`--target-protocol h2c`) that restart, close or refuse: what was read by nobody is sent again, and nothing
// is ever sent twice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { beginsRequest, frameTarget, type TargetConnection, type TargetFrame } from '../support/frame-target.ts'
import { DATA, END_STREAM } from '../support/http2-frames.ts'
import { sharedPbt } from '../support/shared.ts'
import { http2Request, http2Visitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const H2C = { 'target-protocol': 'h2c' }
/** RFC 9113 section 7. */
const [NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM] = [0, 2, 7]
/** What the first GOAWAY of a graceful end names (RFC 9113 section 6.8). */
const ANY_STREAM = 2 ** 31 - 1
/** As FRAMES of a body that is longer than what is kept for sending again. */
const LONG_BYTES = 300_000

type Serve = (connection: TargetConnection, stream: number, frame: TargetFrame) => void

/** Serves requests by what `serves` was given last, one for each request and then the last one; `begun`: how many came. */
async function scriptedTarget(t: TestContext) {
  const requests: { connection: TargetConnection; stream: number; serve: Serve }[] = []
  let script: readonly Serve[] = []
  const made = await frameTarget(t, (connection, frame) => {
    if (beginsRequest(connection, frame)) {
      const serve = script[Math.min(requests.length, script.length - 1)] ?? (() => {})
      requests.push({ connection, stream: frame.stream, serve })
    }
    const request = requests.findLast(each => each.connection === connection && each.stream === frame.stream)
    request?.serve(connection, frame.stream, frame)
  })
  return {
    ...made,
    requests,
    serves: (...next: readonly Serve[]) => {
      requests.length = 0
      script = next
    },
  }
}

const atOnce =
  (serve: (connection: TargetConnection, stream: number) => void): Serve =>
  (connection, stream, frame) => {
    if (beginsRequest(connection, frame)) serve(connection, stream)
  }

/** Answers with the length of the body once it is whole. */
const whole: Serve = (connection, stream, { flags }) => {
  if ((flags & END_STREAM) !== 0) connection.answer(stream, `${connection.body(stream).length} bytes`)
}

/** The last stream before this one. */
const below = (stream: number): number => Math.max(0, stream - 2)

/** The other side has ended the connection. */
function seen(socket: Socket | undefined): Promise<void> {
  return new Promise(resolve => {
    for (const event of ['end', 'close']) socket?.once(event, () => resolve())
  })
}

async function listen(server: Http2Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('H10: an h2c target that restarts costs the request in flight, and the next ones are served', async t => {
  const start = async (name: string, port = 0) => {
    const asked = Promise.withResolvers<void>()
    const server = createServer((request, response) => {
      if (request.url === '/held') asked.resolve()
      else response.end(name)
    })
    const end = new Promise<() => void>(resolve => server.once('session', session => resolve(() => session.destroy())))
    t.after(() => server.close())
    return { server, port: await listen(server, port), asked: asked.promise, end }
  }
  let target = await start('first')
  const { port } = target
  const { server, client } = await pbt(port, H2C)
  const session = await http2Visitor(t, server)
  for (const name of ['first', 'second', 'third']) {
    for (let count = 0; count < 2; count++) assert.equal(String((await http2Request(session, {})).body), name)
    const held = http2Request(session, { ':path': '/held' })
    await target.asked
    target.server.close()
    ;(await target.end)()
    assert.deepEqual([(await held).status, (await held).headers['pbt-error']], [502, 'target-broke'])
    const away = await http2Request(session, {})
    assert.deepEqual([away.status, away.headers['pbt-error']], [502, 'target-unreachable'])
    target = await start(name === 'first' ? 'second' : 'third', port)
  }
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
})

test('H10: however an h2c target ends its connection, idle or not, later requests are served and none is sent twice', async t => {
  const target = await scriptedTarget(t)
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  const ends: readonly (readonly [string, (connection: TargetConnection) => void])[] = [
    ['FIN', ({ socket }) => socket.end()],
    ['RST', ({ socket }) => socket.resetAndDestroy()],
    ['closed', ({ socket }) => socket.destroy()],
    ['GOAWAY, then FIN', connection => connection.goaway(ANY_STREAM, NO_ERROR).socket.end()],
    ['GOAWAY with an error', connection => connection.goaway(ANY_STREAM, INTERNAL_ERROR)],
  ]
  for (const [name, end] of ends) {
    target.serves(whole)
    assert.equal((await http2Request(session, {})).status, 200, name)
    const connection = target.connections.at(-1)
    assert.ok(connection !== undefined)
    // While it idles: nobody's request may be hurt, once this end has seen it. A reset shows nothing of that.
    const isSeen = seen(connection.socket)
    end(connection)
    await isSeen
    const statuses = new Set<number>()
    for (let count = 0; count < 3; count++) statuses.add((await http2Request(session, {})).status)
    if (/^GOAWAY|^FIN/.test(name)) assert.deepEqual([...statuses], [200], name)
    else assert.equal([...statuses].at(-1), 200, name)

    target.serves(atOnce(end), whole)
    const held = await http2Request(session, { ':method': 'POST' }, Buffer.from('hello'))
    assert.deepEqual([held.status, held.headers['pbt-error']], [502, 'target-broke'], name)
    assert.equal(target.requests.length, 1, `${name}: it came ${target.requests.length} times`)
    assert.equal(String((await http2Request(session, {})).body), '0 bytes', name)
  }
})

test('H10: streams above the last one of a GOAWAY, and refused ones, are sent again, with all of their bodies', async t => {
  const target = await scriptedTarget(t)
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  const refusals: readonly (readonly [string, Serve])[] = [
    ['REFUSED_STREAM', atOnce((connection, stream) => connection.reset(stream, REFUSED_STREAM))],
    ['GOAWAY', atOnce((connection, stream) => connection.goaway(below(stream), NO_ERROR))],
    ['GOAWAY with an error', atOnce((connection, stream) => connection.goaway(below(stream), INTERNAL_ERROR))],
    [
      'a graceful GOAWAY',
      atOnce((connection, stream) => connection.goaway(ANY_STREAM, NO_ERROR).goaway(below(stream), NO_ERROR)),
    ],
    ['GOAWAY and FIN', atOnce((connection, stream) => connection.goaway(below(stream), NO_ERROR).socket.end())],
    [
      'REFUSED_STREAM after the whole body',
      (connection, stream, { flags }) => {
        if ((flags & END_STREAM) !== 0) connection.reset(stream, REFUSED_STREAM)
      },
    ],
  ]
  for (const [name, refuse] of refusals) {
    for (const times of [1, 3]) {
      for (const bytes of [undefined, 0, 5, 60_000]) {
        target.serves(...Array.from({ length: times }, () => refuse), whole)
        const body = bytes === undefined ? undefined : Buffer.alloc(bytes, 'x')
        const headers = { ':method': bytes === undefined ? 'GET' : 'POST' }
        const answer = await http2Request(session, headers, body)
        const what = `${name}, ${times} times, ${bytes} bytes`
        assert.deepEqual([answer.status, String(answer.body)], [200, `${bytes ?? 0} bytes`], what)
        assert.equal(target.requests.length, times + 1, what)
      }
    }
  }
})

test('H10: a body that goes on while its request is sent again comes whole, with its trailers', async t => {
  const target = await scriptedTarget(t)
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  const again = Promise.withResolvers<void>()
  target.serves(
    (connection, stream, { type }) => {
      if (type === DATA && connection.body(stream).length === 20_000) connection.reset(stream, REFUSED_STREAM)
    },
    (connection, stream, frame) => {
      again.resolve()
      whole(connection, stream, frame)
    },
  )
  const stream = session.request({ ':method': 'POST' })
  let answer = ''
  stream.setEncoding('latin1').on('data', chunk => {
    answer += chunk
  })
  stream.write(Buffer.alloc(20_000, 'a'))
  await again.promise
  stream.write(Buffer.alloc(100_000, 'b'))
  stream.end(Buffer.alloc(200_000, 'c'))
  await once(stream, 'end')
  assert.equal(answer, '320000 bytes')
  const { connection, stream: second } = target.requests[1] ?? {}
  const sent = Buffer.concat([Buffer.alloc(20_000, 'a'), Buffer.alloc(100_000, 'b'), Buffer.alloc(200_000, 'c')])
  assert.ok(second !== undefined && connection?.body(second).equals(sent))
})

test('H10: what cannot be sent again whole, was answered in part, or is refused again and again, fails', async t => {
  const target = await scriptedTarget(t)
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  // More had been sent than is kept.
  target.serves((connection, stream, { flags }) => {
    if ((flags & END_STREAM) !== 0 || connection.body(stream).length > 65_536) connection.reset(stream, REFUSED_STREAM)
  }, whole)
  const long = await http2Request(session, { ':method': 'POST' }, Buffer.alloc(LONG_BYTES))
  assert.deepEqual([long.status, long.headers['pbt-error'], target.requests.length], [502, 'target-broke', 1])

  target.serves(atOnce((connection, stream) => connection.head(stream, 103).reset(stream, REFUSED_STREAM)))
  const begun = await http2Request(session, {})
  assert.deepEqual([begun.status, target.requests.length], [502, 1])

  target.serves(atOnce((connection, stream) => connection.head(stream, 200).reset(stream, REFUSED_STREAM)))
  await assert.rejects(http2Request(session, {}))
  assert.equal(target.requests.length, 1)

  for (const refuse of [
    (connection: TargetConnection, stream: number) => connection.reset(stream, REFUSED_STREAM),
    (connection: TargetConnection) => connection.goaway(0, NO_ERROR),
  ]) {
    target.serves(atOnce(refuse))
    const never = await http2Request(session, {})
    assert.deepEqual([never.status, never.headers['pbt-error'], target.requests.length], [502, 'target-broke', 4])
  }
  target.serves(whole)
  assert.equal((await http2Request(session, {})).status, 200)
})

test('H10: streams that a GOAWAY leaves alone end well on the old connection, new ones on the next', async t => {
  const target = await scriptedTarget(t)
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  target.serves(() => {}, whole)
  const held = http2Request(session, {})
  while (target.requests.length === 0) await new Promise(setImmediate)
  const [{ connection, stream } = { connection: undefined, stream: 0 }] = target.requests
  const isSeen = once(connection?.socket ?? process, 'data')
  connection?.goaway(stream, NO_ERROR)
  await isSeen
  for (let count = 0; count < 3; count++) assert.equal((await http2Request(session, {})).status, 200)
  assert.equal(target.connections.length, 2)
  const isOver = seen(connection?.socket)
  connection?.answer(stream, 'late')
  assert.equal(String((await held).body), 'late')
  await isOver
})
