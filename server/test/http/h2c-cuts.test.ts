// Answers of targets over HTTP/2 (`--target-protocol h2c`) that break off: a cut for every visitor, and whole ones stay whole.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { beginsRequest, frameTarget, type TargetConnection } from '../support/frame-target.ts'
import { sharedPbt } from '../support/shared.ts'
import { http2Request, http2Visitor, rawRequest, rawVisitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const H2C = { 'target-protocol': 'h2c' }
/** RFC 9113 section 7. */
const [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, STREAM_CLOSED, REFUSED_STREAM, CANCEL] = [0, 1, 2, 5, 7, 8]

type Ending = (connection: TargetConnection, stream: number) => void

/** What a target does when it has begun to answer, without END_STREAM. */
const CUTS: readonly (readonly [name: string, end: Ending])[] = [
  ...[NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, STREAM_CLOSED, REFUSED_STREAM, CANCEL].map(
    code => [`RST_STREAM with code ${code}`, (to: TargetConnection, stream: number) => to.reset(stream, code)] as const,
  ),
  ['GOAWAY with an error', to => to.goaway(2 ** 31 - 1, INTERNAL_ERROR)],
  ['GOAWAY below the stream', to => to.goaway(0, NO_ERROR)],
  ['GOAWAY and FIN', (to, stream) => to.goaway(stream, NO_ERROR).socket.end()],
  ['FIN', to => to.socket.end()],
  ['RST', to => to.socket.resetAndDestroy()],
  ['no HTTP/2', to => to.socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'.repeat(9))],
]

/** What it has answered by then. */
const BEGINNINGS: readonly (readonly [name: string, begin: Ending])[] = [
  ['head', (to, stream) => to.head(stream, 200)],
  ['some data', (to, stream) => to.head(stream, 200).data(stream, 'half')],
  ['all of its length', (to, stream) => to.head(stream, 200, [['content-length', '4']]).data(stream, 'half')],
  ['less than its length', (to, stream) => to.head(stream, 200, [['content-length', '9']]).data(stream, 'half')],
]

/** Answers that end with END_STREAM and still are not whole, or are no answers. */
const WRONG: readonly (readonly [name: string, end: Ending])[] = [
  ['less than its length', (to, stream) => to.head(stream, 200, [['content-length', '9']]).data(stream, 'half', true)],
  ['more than its length', (to, stream) => to.head(stream, 200, [['content-length', '2']]).data(stream, 'half', true)],
  ['a length and no body', (to, stream) => to.head(stream, 200, [['content-length', '9']], true)],
  [
    'trailers before its length',
    (to, stream) => {
      to.head(stream, 200, [['content-length', '9']])
      to.data(stream, 'half')
      to.trailers(stream, [['x-sum', '1']])
    },
  ],
  [
    'two lengths',
    (to, stream) => {
      const lengths = ['4', '5'].map(length => ['content-length', length] as const)
      to.head(stream, 200, lengths).data(stream, 'half', true)
    },
  ],
  ['only an interim head', (to, stream) => to.head(stream, 103, [], true)],
  ['data before the head', (to, stream) => to.data(stream, 'half', true)],
]

/** Whole answers, whatever comes behind them. */
const WHOLE: readonly (readonly [name: string, end: Ending])[] = [
  ['END_STREAM', () => {}],
  ['then RST_STREAM with code 0', (to, stream) => to.reset(stream, NO_ERROR)],
  ['then GOAWAY', (to, stream) => to.goaway(stream, NO_ERROR)],
  ['then GOAWAY with an error', (to, stream) => to.goaway(stream, INTERNAL_ERROR)],
  ['then FIN', to => to.socket.end()],
]

async function target(t: TestContext) {
  let serve: Ending = () => {}
  const made = await frameTarget(t, (connection, frame) => {
    if (beginsRequest(connection, frame)) serve(connection, frame.stream)
  })
  return {
    ...made,
    /** What the next requests get. */
    serves: (next: Ending) => {
      serve = next
    },
  }
}

/** Node's own server over HTTP/2. */
async function http2Service(
  t: TestContext,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<number> {
  const service = createServer({ maxHeaderListPairs: 1_000, settings: { maxHeaderListSize: 200_000 } })
  service.on('session', each => t.after(() => each.destroy()))
  service.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.after(() => service.close())
  return (service.address() as AddressInfo).port
}

test('C7: an answer of an h2c target that breaks off is a cut, whatever ends it and whatever had come', async t => {
  const made = await target(t)
  const { server, client } = await pbt(made.port, H2C)
  const session = await http2Visitor(t, server)
  for (const [come, begin] of BEGINNINGS) {
    for (const [how, end] of CUTS) {
      const name = `${come}, ${how}`
      // The one end that says nothing goes by the length.
      if (come === 'all of its length' && how === 'RST_STREAM with code 0') continue
      const begun = Promise.withResolvers<() => void>()
      made.serves((connection, stream) => {
        begin(connection, stream)
        begun.resolve(() => end(connection, stream))
      })
      const visitor = await rawVisitor(t, server)
      visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
      // Also when the visitor has the head already, and when it has not.
      if (how.startsWith('RST_STREAM')) await visitor.until(/\r\n\r\n/)
      ;(await begun.promise)()
      await visitor.over()
      if (visitor.text.startsWith('HTTP/1.1 502')) assert.match(visitor.text, /pbt-error: target-broke/, name)
      else {
        assert.match(visitor.text, /^HTTP\/1\.1 200/, name)
        assert.doesNotMatch(visitor.text, /\r\n0\r\n\r\n$/, name)
      }
      visitor.socket.destroy()

      made.serves((connection, stream) => {
        begin(connection, stream)
        setImmediate(() => end(connection, stream))
      })
      const second = await http2Request(session, {}).then(
        ({ status, headers }) => `${status} ${headers['pbt-error']}`,
        () => 'cut',
      )
      assert.ok(second === 'cut' || second === '502 target-broke', `${name}: ${second}`)
    }
  }
  made.serves((connection, stream) => connection.answer(stream, 'fine'))
  assert.equal(String((await http2Request(session, {})).body), 'fine')
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
})

test('C7, C9: an answer of an h2c target that is not as long as it says, or is none, is a cut or 502', async t => {
  const made = await target(t)
  const { server } = await pbt(made.port, H2C)
  const session = await http2Visitor(t, server)
  for (const [name, end] of WRONG) {
    made.serves(end)
    const answer = await http2Request(session, {}).then(
      ({ status, headers }) => `${status} ${headers['pbt-error']}`,
      () => 'cut',
    )
    assert.ok(answer === 'cut' || answer === '502 target-broke', `${name}: ${answer}`)
  }
})

test('C7, D4: a whole answer of an h2c target is whole whatever comes behind it, with its trailers', async t => {
  const made = await target(t)
  const { server } = await pbt(made.port, H2C)
  const session = await http2Visitor(t, server)
  const big = Buffer.alloc(16_000, 'x')
  for (const [name, end] of WHOLE) {
    for (const isPost of [false, true]) {
      made.serves((connection, stream) => {
        connection.head(stream, 200)
        for (let count = 0; count < 4; count++) connection.data(stream, big)
        connection.trailers(stream, [['x-sum', '4']])
        end(connection, stream)
      })
      const answer = await http2Request(
        session,
        isPost ? { ':method': 'POST' } : {},
        isPost ? Buffer.from('hello') : undefined,
      )
      assert.deepEqual([answer.status, answer.body.length, answer.trailers['x-sum']], [200, 64_000, '4'], name)
      made.serves((connection, stream) => {
        connection.head(stream, 204, [], true)
        end(connection, stream)
      })
      const empty = await http2Request(session, {})
      assert.deepEqual([empty.status, empty.body.length], [204, 0], name)
    }
  }
})

test("C7, D3: Node's way to end an answer on a busy connection, RST_STREAM with code 0, goes by the length that was told", async t => {
  const made = await target(t)
  const { server } = await pbt(made.port, H2C)
  const session = await http2Visitor(t, server)
  const length = [['content-length', '4']] as const
  for (const [method, status, more, data] of [
    ['GET', 200, length, 'half'],
    ['GET', 200, [['content-length', '0']], ''],
    ['HEAD', 200, length, ''],
    ['GET', 204, [], ''],
    ['GET', 304, length, ''],
  ] as const) {
    made.serves((connection, stream) => {
      connection.head(stream, status, more)
      if (data !== '') connection.data(stream, data)
      connection.reset(stream, NO_ERROR)
    })
    const answer = await http2Request(session, { ':method': method })
    assert.deepEqual([answer.status, String(answer.body)], [status, data], `${method} ${status}`)
  }
})

test('B9: heads as large and with as many fields as anywhere pass to an h2c target and back', async t => {
  const fields: Record<string, string> = {}
  for (let count = 0; count < 150; count++) fields[`x-${count}`] = 'y'.repeat(360)
  const heard: IncomingHttpHeaders[] = []
  const port = await http2Service(t, (stream, headers) => {
    heard.push(headers)
    stream.respond({ ':status': 200, ...fields })
    stream.end('fine')
  })
  const { server } = await pbt(port, H2C)
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  const request = ['GET / HTTP/1.1', 'Host: app.localhost', 'Connection: close', ...lines, '', ''].join('\r\n')
  for (let count = 0; count < 2; count++) {
    const answer = await rawRequest(t, server, request)
    assert.match(answer, /^HTTP\/1\.1 200 /)
    for (const line of lines) assert.ok(answer.includes(`\r\n${line}\r\n`), line)
    for (const [name, value] of Object.entries(fields)) assert.equal(heard.at(-1)?.[name], value)
  }
})
