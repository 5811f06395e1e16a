// HTTP/2 messages that break the rules, written by hand: refused or reset, and never forwarded as whole.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type FrameVisitor, frameVisitor } from '../support/frame-visitor.ts'
import { ACK, DATA, END_STREAM, type Fields, GOAWAY, PING, RST_STREAM, SETTINGS } from '../support/http2-frames.ts'
import { sharedPbt } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/'],
]
const POST: Fields = [[':method', 'POST'], ...GET.slice(1)]
const AUTHORITY: Fields = [[':authority', 'app.localhost']]

/** RFC 8441 section 3; a setting is a number and its value. */
const ENABLE_CONNECT_PROTOCOL = 8
const SETTING_BYTES = 6

/** A target that keeps every octet and every end, one of each a connection. */
async function recordingTarget(t: TestContext) {
  const seen: { text: string; isOver: boolean }[] = []
  const port = await rawTarget(t, socket => {
    const entry: (typeof seen)[number] = { text: '', isOver: false }
    seen.push(entry)
    socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      entry.text += text
      const heads = text.split(/^(?:GET|OPTIONS) .* HTTP\/1\.1\r\n/m).length - 1
      for (let count = 0; count < heads; count++) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      entry.isOver = true
    })
  })
  return {
    seen,
    port,
    text: () => seen.map(({ text }) => text).join(''),
    clear: () => {
      for (const entry of seen) entry.text = ''
    },
  }
}

/** Whoever asks next is served: nothing of what went before is in the way. */
async function isServed(t: TestContext, server: Parameters<typeof frameVisitor>[1]): Promise<void> {
  const visitor = await frameVisitor(t, server)
  assert.equal(await visitor.outcome(visitor.open([...GET, ...AUTHORITY])), 200)
}

test('B1, B2, B3: an authority that is none or not the only one, and a path that is none, are refused', async t => {
  const { port, text } = await recordingTarget(t)
  const { server } = await pbt(port)
  const refused: readonly (readonly [name: string, fields: Fields])[] = [
    ['another host', [...GET, ...AUTHORITY, ['host', 'other.localhost']]],
    ['two hosts', [...GET, ['host', 'app.localhost'], ['host', 'app.localhost']]],
    ['no authority', GET],
    ['empty authority', [...GET, [':authority', '']]],
    ['userinfo', [...GET, [':authority', 'a@app.localhost']]],
    ['path in the authority', [...GET, [':authority', 'app.localhost/x']]],
    ['a list of authorities', [...GET, [':authority', 'app.localhost,b']]],
    ['port that is none', [...GET, [':authority', 'app.localhost:x']]],
    ['port beyond all', [...GET, [':authority', 'app.localhost:65536']]],
    ['long authority', [...GET, [':authority', `${'a.'.repeat(127)}a`]]],
    ['octets beyond ASCII', [...GET, [':authority', 'app\xe9.localhost']]],
    ['two authorities', [...GET, ...AUTHORITY, ...AUTHORITY]],
    ['absolute form', [...GET.slice(0, 2), [':path', 'http://b.localhost/'], ...AUTHORITY]],
    ['star with GET', [...GET.slice(0, 2), [':path', '*'], ...AUTHORITY]],
    ['no path', [...GET.slice(0, 2), ...AUTHORITY]],
    ['empty path', [...GET.slice(0, 2), [':path', ''], ...AUTHORITY]],
    ['space in the path', [...GET.slice(0, 2), [':path', '/a HTTP/1.1'], ...AUTHORITY]],
    ['CONNECT', [[':method', 'CONNECT'], ...AUTHORITY]],
    ['TRACE', [[':method', 'TRACE'], ...GET.slice(1), ...AUTHORITY]],
  ]
  for (const [name, fields] of refused) {
    const visitor = await frameVisitor(t, server)
    const outcome = await visitor.outcome(visitor.open(fields))
    assert.ok(outcome === 400 || outcome === 'reset' || outcome === 'goaway', `${name}: ${outcome}`)
  }
  assert.equal(text(), '')
  const visitor = await frameVisitor(t, server)
  const host = visitor.open([...GET, ['host', 'APP.localhost.:8443']])
  assert.equal(await visitor.outcome(host), 200, 'host alone will do')
  assert.match(text(), /^host: APP\.localhost\.:8443\r\n/im)
  assert.equal(text().match(/^host:/gim)?.length, 1)
  const star = visitor.open([[':method', 'OPTIONS'], GET[1] ?? ['', ''], [':path', '*'], ...AUTHORITY])
  assert.equal(await visitor.outcome(star), 200)
  assert.match(text(), /^OPTIONS \* HTTP\/1\.1\r\n/m)
})

test('C4, C5: fields that no HTTP/2 message has end their stream, and nothing of them is passed on', async t => {
  const { port, text, clear } = await recordingTarget(t)
  const { server } = await pbt(port)
  const refused: readonly (readonly [name: string, fields: Fields])[] = [
    ['transfer-encoding', [...GET, ...AUTHORITY, ['transfer-encoding', 'chunked']]],
    ['connection', [...GET, ...AUTHORITY, ['connection', 'x-forwarded-for']]],
    ['upgrade', [...GET, ...AUTHORITY, ['upgrade', 'websocket']]],
    ['te other than trailers', [...GET, ...AUTHORITY, ['te', 'deflate']]],
    ['upper case', [...GET, ...AUTHORITY, ['X-Upper', '1']]],
    ['pseudo-field after a field', [...GET, ['x', '1'], ...AUTHORITY]],
    ['unknown pseudo-field', [...GET, ...AUTHORITY, [':status', '200']]],
    ['pseudo-field twice', [...GET, [':path', '/b'], ...AUTHORITY]],
    ['line break in a value', [...GET, ...AUTHORITY, ['x', 'a\r\nGET /smuggled HTTP/1.1']]],
    ['line feed in a value', [...GET, ...AUTHORITY, ['x', 'a\nb']]],
    ['NUL in a value', [...GET, ...AUTHORITY, ['x', 'a\0b']]],
    ['colon in a name', [...GET, ...AUTHORITY, ['x:y', '1']]],
    ['space in a name', [...GET, ...AUTHORITY, ['x y', '1']]],
    ['line break in a name', [...GET, ...AUTHORITY, ['x\r\ny', '1']]],
    ['empty name', [...GET, ...AUTHORITY, ['', '1']]],
    ['line break in the path', [...GET.slice(0, 2), [':path', '/\r\nX: 1'], ...AUTHORITY]],
    ['NUL in the path', [...GET.slice(0, 2), [':path', '/\0'], ...AUTHORITY]],
    ['space in the method', [[':method', 'GET /x'], ...GET.slice(1), ...AUTHORITY]],
    ['line break in the method', [[':method', 'GET\r\nX'], ...GET.slice(1), ...AUTHORITY]],
    ['empty method', [[':method', ''], ...GET.slice(1), ...AUTHORITY]],
    ['long method', [[':method', 'M'.repeat(1000)], ...GET.slice(1), ...AUTHORITY]],
    ['no method', [...GET.slice(1), ...AUTHORITY]],
    ['two lengths', [...GET, ...AUTHORITY, ['content-length', '0'], ['content-length', '5']]],
    ['length that is none', [...GET, ...AUTHORITY, ['content-length', '+5']]],
  ]
  for (const [name, fields] of refused) {
    const visitor = await frameVisitor(t, server)
    const outcome = await visitor.outcome(visitor.open(fields))
    // Node leaves out a field whose octets are none, and lets the rest of the request be.
    const mayBeLeftOut = / in a (value|name)$|empty name/.test(name)
    assert.ok(outcome === 400 || outcome === 'reset' || outcome === 'goaway' || mayBeLeftOut, `${name}: ${outcome}`)
    assert.doesNotMatch(text(), /smuggled|^x(?!-forwarded-|-real-ip)|chunked|deflate|\0/im, name)
    if (!mayBeLeftOut) assert.equal(text(), '', name)
    clear()
  }
  await isServed(t, server)
})

test('C5, C6: a body that is not what was announced, or is broken off, is a cut for the target', async t => {
  const { seen, port } = await recordingTarget(t)
  const { server } = await pbt(port)
  const data =
    (text: string, flags = 0) =>
    (visitor: FrameVisitor, stream: number) =>
      visitor.send(DATA, flags, stream, Buffer.from(text))
  const reset = (code: number) => (visitor: FrameVisitor, stream: number) =>
    visitor.send(RST_STREAM, 0, stream, Buffer.from([0, 0, 0, code]))
  const length = (bytes: number): Fields => [['content-length', String(bytes)]]
  const cases: readonly (readonly [
    name: string,
    fields: Fields,
    ...steps: ((visitor: FrameVisitor, stream: number) => void)[],
  ])[] = [
    ['less than announced', length(10), data('hello', END_STREAM)],
    ['more than announced', length(5), data('hello there', END_STREAM)],
    ['nothing of what was announced', length(5), data('', END_STREAM)],
    ['trailers before the whole', length(10), data('hello'), (visitor, id) => visitor.headers(id, [['x', '1']], true)],
    ['trailers that are no end', [], data('hello'), (visitor, id) => visitor.headers(id, [['x', '1']], false)],
    ['pseudo-field in trailers', [], data('hello'), (visitor, id) => visitor.headers(id, [[':path', '/']], true)],
    ['reset with NO_ERROR', [], data('hello'), reset(0)],
    ['reset with CANCEL', [], data('hello'), reset(8)],
    ['reset with NO_ERROR, length known', length(10), data('hello'), reset(0)],
    ['reset with CANCEL, length known', length(10), data('hello'), reset(8)],
    ['frame that is none', [], data('hello'), visitor => visitor.send(PING, 0, 0, Buffer.alloc(3))],
    [
      'goaway, then the end',
      [],
      data('hello'),
      visitor => {
        visitor.send(GOAWAY, 0, 0, Buffer.alloc(8))
        visitor.socket.end()
      },
    ],
    ['end of the connection', length(10), data('hello'), visitor => visitor.socket.end()],
    ['loss of the connection', [], data('hello'), visitor => visitor.socket.destroy()],
  ]
  for (const [name, fields, ...steps] of cases) {
    const path = `/${encodeURIComponent(name)}`
    const visitor = await frameVisitor(t, server)
    const stream = visitor.open([...POST.slice(0, 2), [':path', path], ...AUTHORITY, ...fields], false)
    const entry = () => seen.find(({ text }) => text.startsWith(`POST ${path} `))
    await until(() => entry() !== undefined, `${name}: the request`)
    for (const step of steps) step(visitor, stream)
    await until(() => entry()?.isOver === true, `${name}: the end`)
    const body = (entry()?.text ?? '').split('\r\n\r\n').slice(1).join('\r\n\r\n')
    assert.doesNotMatch(body, /(^|\r\n)0\r\n/, `${name}: no last chunk`)
    assert.ok(fields.length === 0 || body.length < Number(fields[0]?.[1]), `${name}: not the whole length`)
  }
  await isServed(t, server)
})

test('C5: a length of nothing with a body behind it, or a body that goes on when it should be whole, never arrives as whole', async t => {
  const { seen, port } = await recordingTarget(t)
  const { server } = await pbt(port)
  const cases: readonly (readonly [name: string, length: number, ...pieces: string[]])[] = [
    ['nothing', 0, 'hello'],
    ['whole, then more', 5, 'hello', ' there'],
    ['whole in pieces, then more', 5, 'he', 'llo', ' there'],
  ]
  for (const [name, length, ...pieces] of cases) {
    const path = `/${encodeURIComponent(name)}`
    const visitor = await frameVisitor(t, server)
    const fields: Fields = [...POST.slice(0, 2), [':path', path], ...AUTHORITY, ['content-length', String(length)]]
    const stream = visitor.open(fields, false)
    const entry = () => seen.find(({ text }) => text.includes(`POST ${path} `))
    if (length > 0) await until(() => entry() !== undefined, `${name}: the request`)
    for (const piece of pieces) visitor.send(DATA, 0, stream, Buffer.from(piece))
    await until(() => visitor.frames.some(({ type }) => type === RST_STREAM || type === GOAWAY), `${name}: a refusal`)
    if (length > 0) await until(() => entry()?.isOver === true, `${name}: the end`)
    await isServed(t, server)
    const body = entry()?.text.split(`POST ${path} `)[1]?.split('\r\n\r\n')[1] ?? ''
    assert.ok(length === 0 ? entry() === undefined : body.length < length, `${name}: ${entry()?.text}`)
  }
  const visitor = await frameVisitor(t, server)
  const fields: Fields = [...GET.slice(0, 2), [':path', '/empty'], ...AUTHORITY, ['content-length', '0']]
  const stream = visitor.open(fields, false)
  visitor.send(DATA, END_STREAM, stream)
  assert.equal(await visitor.outcome(stream), 200, 'no body after all')
})

test('D1: an expectation that nobody knows is refused at once over HTTP/2 too, with a body and without', async t => {
  const { port, text } = await recordingTarget(t)
  const { server } = await pbt(port)
  for (const isWhole of [true, false]) {
    const visitor = await frameVisitor(t, server)
    const stream = visitor.open([...POST, ...AUTHORITY, ['expect', 'nonsense']], isWhole)
    assert.equal(await visitor.outcome(stream), 417)
  }
  assert.equal(text(), '')
  await isServed(t, server)
})

test('C5: frames after the end of a request are no part of it, nor of another', async t => {
  const { port, text } = await recordingTarget(t)
  const { server } = await pbt(port)
  const visitor = await frameVisitor(t, server)
  const stream = visitor.open([...GET, ...AUTHORITY])
  visitor.send(DATA, 0, stream, Buffer.from('GET /smuggled HTTP/1.1\r\n\r\n'))
  await until(() => visitor.frames.some(({ type }) => type === RST_STREAM || type === GOAWAY), 'a refusal')
  assert.doesNotMatch(text(), /smuggled/)
  await isServed(t, server)
})

test('D11: WebSocket over HTTP/2 is not advertised, and refused when it is asked for anyway', async t => {
  const { port, text } = await recordingTarget(t)
  const { server } = await pbt(port)
  const visitor = await frameVisitor(t, server)
  const connect: Fields = [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'https'],
    [':path', '/'],
    ...AUTHORITY,
    ['sec-websocket-version', '13'],
  ]
  // The server's settings are the first thing it says (RFC 9113 section 3.4), so they are there once it has answered.
  const outcome = await visitor.outcome(visitor.open(connect, false))
  assert.ok(outcome === 400 || outcome === 'reset' || outcome === 'goaway', String(outcome))
  const settings = visitor.frames.filter(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0)
  assert.ok(settings.length > 0)
  for (const { payload } of settings) {
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      assert.notEqual(payload.readUInt16BE(at), ENABLE_CONNECT_PROTOCOL)
    }
  }
  assert.equal(text(), '')
  await isServed(t, server)
})

test('B8: cookie crumbs are joined, other fields keep their order and number, in both directions', async t => {
  const answer = ['X-A: 1', 'Set-Cookie: a=1', 'X-B: 2', 'Set-Cookie: b=2', 'X-A: 3', 'Content-Type: a/b', 'Etag: "x"']
  let text = ''
  const port = await rawTarget(t, socket =>
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      // Doubled by carelessness, as targets do: not for the edge to judge.
      const doubled = 'X-Content-Type-Options: nosniff\r\nX-Content-Type-Options: nosniff\r\n'
      socket.write(`HTTP/1.1 200 OK\r\n${answer.join('\r\n')}\r\n${doubled}Content-Length: 2\r\n\r\nok`)
    }),
  )
  const { server } = await pbt(port)
  const visitor = await frameVisitor(t, server)
  const fields: Fields = [
    ['x-a', '1'],
    ['cookie', 'a=1'],
    ['x-b', '2'],
    ['cookie', 'b=2'],
    ['x-a', '\xe9\xff'],
    ['referer', '1'],
    ['referer', '2'],
    ['te', 'trailers'],
  ]
  assert.equal(await visitor.outcome(visitor.open([...GET, ...AUTHORITY, ...fields])), 200)
  const lines = text.split('\r\n').slice(2, 9)
  assert.deepEqual(lines, [
    'x-a: 1',
    'cookie: a=1; b=2',
    'x-b: 2',
    'x-a: \xe9\xff',
    'referer: 1',
    'referer: 2',
    'te: trailers',
  ])
  const { rawHeaders, status } = await http2Request(await http2Visitor(t, server), {})
  assert.equal(status, 200)
  const pairs = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []))
  for (const line of answer) assert.ok(pairs.includes(line.replace(/^[^:]+/, name => name.toLowerCase())), line)
  assert.deepEqual(
    pairs.filter(line => /^(x-[ab]|set-cookie):/.test(line)),
    answer.slice(0, 5).map(line => line.replace(/^[^:]+/, name => name.toLowerCase())),
  )
})

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
