// Requests that two servers could read in two ways never reach a target; those that are right do, octet for octet.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { noting } from '../support/noting.ts'
import { sharedPbt } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const HOST = 'Host: app.localhost\r\n'
/** What follows would be a second request if the first were read another way. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: app.localhost\r\n\r\n'

/** Bodies in chunks whose end two readers could see at different places. */
const CHUNKS = [
  '0x3\r\nabc\r\n0\r\n\r\n',
  '+3\r\nabc\r\n0\r\n\r\n',
  '-3\r\nabc\r\n0\r\n\r\n',
  '3 \r\nabc\r\n0\r\n\r\n',
  ' 3\r\nabc\r\n0\r\n\r\n',
  '3\nabc\r\n0\r\n\r\n',
  '3\rabc\r\n0\r\n\r\n',
  '3\r\nabc\n0\r\n\r\n',
  '3\r\nabc\r0\r\n\r\n',
  '3\r\nabcd\r\n0\r\n\r\n',
  '3;a\nb\r\nabc\r\n0\r\n\r\n',
  '3;a\rb\r\nabc\r\n0\r\n\r\n',
  '3;a="\n0\r\n\r\nabc\r\n',
  '3\0;a\r\nabc\r\n0\r\n\r\n',
  '\r\n3\r\nabc\r\n0\r\n\r\n',
  '3_0\r\nabc\r\n0\r\n\r\n',
  '3,3\r\nabc\r\n0\r\n\r\n',
  'ffffffffffffffff3\r\nabc\r\n0\r\n\r\n',
  '0\n\r\n',
  '0\r\n\n',
  '0\r\na : b\r\n\r\n',
  '0\r\na: b\n\r\n',
  `3;${'x'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`,
] as const

const REFUSED: readonly (readonly [name: string, request: string])[] = [
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
  ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: app.localhost, b\r\n\r\n'],
  ['userinfo in Host', 'GET / HTTP/1.1\r\nHost: a@app.localhost\r\n\r\n'],
  ['path in Host', 'GET / HTTP/1.1\r\nHost: app.localhost/x\r\n\r\n'],
  ['space in Host', 'GET / HTTP/1.1\r\nHost: app. localhost\r\n\r\n'],
  ['port that is none', 'GET / HTTP/1.1\r\nHost: app.localhost:x\r\n\r\n'],
  ['long Host', `GET / HTTP/1.1\r\nHost: ${'a'.repeat(300)}\r\n\r\n`],
  ['absolute form with another host', `GET http://b.localhost/x HTTP/1.1\r\n${HOST}\r\n`],
  ['another scheme', `GET ftp://app.localhost/ HTTP/1.1\r\n${HOST}\r\n`],
  ['star with GET', `GET * HTTP/1.1\r\n${HOST}\r\n`],
  ['no leading slash', `GET x HTTP/1.1\r\n${HOST}\r\n`],
  ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}\r\n`],
  ['CONNECT', 'CONNECT app.localhost:80 HTTP/1.1\r\nHost: app.localhost:80\r\n\r\n'],
  ['length and coding', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
  ['signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +4\r\n\r\nabcd`],
  ['hexadecimal length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x4\r\n\r\nabcd`],
  ['list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4, 4\r\n\r\nabcd`],
  ['length with an underscore', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1_0\r\n\r\n${'a'.repeat(10)}`],
  ['length beyond all numbers', `POST / HTTP/1.1\r\n${HOST}Content-Length: ${2n ** 64n + 4n}\r\n\r\nabcd`],
  ['length beyond exact numbers', `POST / HTTP/1.1\r\n${HOST}Content-Length: ${2n ** 53n + 1n}\r\n\r\nabcd`],
  ['negative length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`],
  ['two numbers as length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4 4\r\n\r\nabcd`],
  ['empty length', `POST / HTTP/1.1\r\n${HOST}Content-Length:\r\n\r\n`],
  ['length with a fraction', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4.0\r\n\r\nabcd`],
  ['length with an exponent', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4e0\r\n\r\nabcd`],
  ['the same length twice', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`],
  ['length with a vertical tab', `POST / HTTP/1.1\r\n${HOST}Content-Length: \x0b4\r\n\r\nabcd`],
  ['unknown coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['two codings', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  [
    'coding twice',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
  ],
  ...[
    'chunked, identity',
    'identity, chunked',
    '\x0bchunked',
    '\x00chunked',
    '\xa0chunked',
    'chunked\x0b',
    'chunked, chunked',
    'chunked;q=1',
    'chunked,',
    ', chunked',
    '"chunked"',
    'chun ked',
    '',
    '\r\n chunked',
    'identity\rTransfer-Encoding: chunked',
    'x\nTransfer-Encoding: chunked',
    'chunked\r\nTransfer-Encoding: chunked',
  ].map(
    coding =>
      [
        `coding ${JSON.stringify(coding)}`,
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      ] as const,
  ),
  ['space before the colon of the coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['space before the coding', `POST / HTTP/1.1\r\n${HOST} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['coding with HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['space before the colon', `GET / HTTP/1.1\r\n${HOST}a : b\r\n\r\n`],
  ['folded field', `GET / HTTP/1.1\r\n${HOST}a: b\r\n c\r\n\r\n`],
  ['bare LF', `GET / HTTP/1.1\n${HOST}\n`],
  ['NUL in a value', `GET / HTTP/1.1\r\n${HOST}a: b\0c\r\n\r\n`],
  ['bare CR in a value', `GET / HTTP/1.1\r\n${HOST}a: b\rc\r\n\r\n`],
  ['space before the method', ` GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['bare LF within the head', `GET / HTTP/1.1\r\n${HOST}a: b\nc: d\r\n\r\n`],
  ['bare CR at a line end', `GET / HTTP/1.1\r${HOST}\r\n`],
  ['NUL in the target', `GET /\0 HTTP/1.1\r\n${HOST}\r\n`],
  ['NUL in a name', `GET / HTTP/1.1\r\n${HOST}a\0: b\r\n\r\n`],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`],
  ['tabs in the request line', `GET\t/\tHTTP/1.1\r\n${HOST}\r\n`],
  ['no version', `GET /\r\n${HOST}\r\n`],
  ['HTTP/2.0 in text', `GET / HTTP/2.0\r\n${HOST}\r\n`],
  ...CHUNKS.map(
    chunks =>
      [
        `chunks ${JSON.stringify(chunks.slice(0, 40))}`,
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks}`,
      ] as const,
  ),
  ['too many fields', `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(250)}\r\n`],
  ['too large a head', `GET / HTTP/1.1\r\n${HOST}a: ${'b'.repeat(90_000)}\r\n\r\n`],
]

test('B1, B2, C1, C2, C3: requests that cannot be forwarded safely are refused and their connection closed', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  for (const [name, request] of REFUSED) {
    const answer = await rawRequest(t, server, request + SMUGGLED)
    assert.match(answer, /^HTTP\/1\.1 (400|404|413|431|501) /, `${name}: ${answer.slice(0, 100)}`)
    assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, `${name}: one answer, then the end`)
    assert.doesNotMatch(seen.text, /smuggled/, name)
  }
  assert.match(await rawRequest(t, server, `GET /fine HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`), /200 OK/)
  assert.doesNotMatch(seen.text, /smuggled/)
})

test('C1, C3: a body that goes wrong after the target has its beginning is cut there, and nothing behind it passes', async t => {
  const bodies: { text: string; isOver: boolean }[] = []
  const port = await rawTarget(t, socket => {
    const entry = { text: '', isOver: false }
    bodies.push(entry)
    socket.on('data', chunk => {
      entry.text += chunk.toString('latin1')
      if (entry.text.startsWith('GET /fine ')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      noted.emit('change')
    })
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      entry.isOver = true
      noted.emit('change')
    })
  })
  const noted = new EventEmitter()
  const until = async (holds: () => boolean) => {
    while (!holds()) await once(noted, 'change')
  }
  const { server, client } = await pbt(port)
  for (const chunks of CHUNKS) {
    const visitor = await rawVisitor(t, server)
    visitor.send(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`)
    await until(() => bodies.at(-1)?.text.endsWith('first\r\n') === true && !bodies.at(-1)?.isOver)
    visitor.send(chunks + SMUGGLED)
    await visitor.over()
    const name = JSON.stringify(chunks.slice(0, 40))
    assert.match(visitor.text, /^HTTP\/1\.1 (400|413) /, name)
    assert.equal(visitor.text.match(/HTTP\/1\.1 \d/g)?.length, 1, name)
    await until(() => bodies.at(-1)?.isOver === true)
    assert.doesNotMatch(bodies.at(-1)?.text ?? '', /smuggled|\r\n0\r\n/, `${name}: no last chunk`)
  }
  assert.match(await rawRequest(t, server, `GET /fine HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`), /200 OK/)
  assert.equal(bodies.length, CHUNKS.length + 1, 'no request more than those that were meant')
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
})

test('C3: chunk extensions are dropped, and the chunks are written anew', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  const chunks = `3;a=b\r\nabc\r\n000${'0'.repeat(5)}2 ; ${'x'.repeat(10_000)}="y"\r\nde\r\n0;z\r\n\r\n`
  const visitor = await rawVisitor(t, server)
  visitor.send(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n${chunks}`)
  await visitor.until(/200 OK[\s\S]*ok$/)
  visitor.send(`GET /next HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
  await visitor.over()
  const body = seen.text.slice(seen.text.indexOf('\r\n\r\n') + 4)
  assert.match(body, /^(3\r\nabc\r\n2\r\nde|5\r\nabcde)\r\n0\r\n\r\n/)
  assert.match(body, /GET \/next HTTP\/1\.1\r\n/)
})

test('pipelined requests are answered in order, and HTTP/1.0 gets its answer', async t => {
  const { port } = await noting(t)
  const { server } = await pbt(port)
  const visitor = await rawVisitor(t, server)
  visitor.send(`GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\n${HOST}\r\nGET /3 HTTP/1.1\r\n${HOST}\r\n`)
  await visitor.until(/(ok[\s\S]*){3}$/)
  assert.equal(visitor.text.match(/HTTP\/1\.1 200 OK/g)?.length, 3)
  const old = await rawRequest(t, server, `GET /old HTTP/1.0\r\n${HOST}\r\n`)
  assert.match(old, /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\nok$/)
})
