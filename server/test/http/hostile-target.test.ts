// Targets that answer with what could be split, misread or not be written again: the visitor gets it or a refusal, and the
// session goes on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { memoryMib } from '../support/memory.ts'
import type { Program } from '../support/programs.ts'
import { sharedPbt, untilIdle } from '../support/shared.ts'
import { rawTarget, scriptedTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest } from '../support/visitors.ts'

const { pbt } = sharedPbt()

test('C4, D2, D4: fields sent twice in hints and trailers pass over HTTP/2 and harm nobody', async t => {
  const twice = 'Etag: "a"\r\nEtag: "b"\r\n'
  const target = await scriptedTarget(
    t,
    `HTTP/1.1 103 Early Hints\r\n${twice}\r\nHTTP/1.1 200 OK\r\n${twice}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${twice}Content-Length: 9\r\nX-Sum: 1\r\n\r\n`,
  )
  const { server } = await pbt(target)
  const session = await http2Visitor(t, server)
  for (let count = 0; count < 2; count++) {
    const answer = await http2Request(session, {})
    assert.deepEqual([answer.status, answer.body.toString(), answer.interim], [200, 'ok', [103]])
    assert.equal(answer.trailers['x-sum'], '1')
    assert.equal(answer.trailers['content-length'], undefined)
  }
})

/** Interim answers of one request that pass. */
const MAX_INTERIM = 32
/** More than the system keeps for a connection that nobody reads. */
const FLOOD = 200_000

const get = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\n${more}Connection: close\r\n\r\n`

/** A target with an answer for each number as path, and an ordinary one for every other path. */
async function answering(t: TestContext, answers: readonly string[]): Promise<number> {
  return await rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const path = /^\w+ \/(\S*)/.exec(text)?.[1] ?? ''
      text = ''
      socket.write(answers[Number(path || Number.NaN)] ?? 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine', 'latin1')
    })
  })
}

/** Through all tests of this file. */
function hasLasted(client: Program): void {
  const kinds = client.events.map(({ event }) => event)
  assert.ok(!kinds.includes('reconnecting') && !kinds.includes('closed'), kinds.join())
}

const BROKEN = [
  'hello\r\n\r\n',
  ...[
    '99 No',
    '1000 No',
    '999 No',
    '600 No',
    '099 No',
    '20 No',
    '2000 No',
    '0x200 No',
    '-200 No',
    '2e2 No',
    ' 200 No',
  ].map(status => `HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`),
  'HTTP/1.1200 OK\r\n\r\n',
  'HTTP/2 200 OK\r\n\r\n',
  'HTTP/0.9 200 OK\r\n\r\n',
  'http/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\rX: 1\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  ...[
    '1\r\nContent-Length: 2',
    '1\r\nContent-Length: 1',
    '1, 1',
    '+1',
    '0x1',
    '1_0',
    '-1',
    '1 1',
    '',
    '1.0',
    '9'.repeat(20),
  ].map(length => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nx`),
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n',
  ...[
    'gzip, chunked',
    'chunked, identity',
    'xchunked',
    '\x0bchunked',
    'chunked\r\nTransfer-Encoding: chunked',
    'identity',
  ].map(coding => `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`),
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na: b\r\n c\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n a: b\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na : b\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na: b\rset-cookie: c=d\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na: b\nset-cookie: c=d\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na: b\0c\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\na\0b: c\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n: c\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n',
  `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`,
  `HTTP/1.1 200 ${'K'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`,
  `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(201)}Content-Length: 0\r\n\r\n`,
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40),
] as const

test('C9, C4, D2: an answer that could be split or misread is 502, over HTTP/1.1 and HTTP/2, and the session goes on', async t => {
  const { server, client } = await pbt(await answering(t, BROKEN))
  const session = await http2Visitor(t, server)
  for (const [index, answer] of BROKEN.entries()) {
    const name = JSON.stringify(answer.slice(0, 70))
    const first = await rawRequest(t, server, get(`/${index}`))
    const heads = first.split(/(?=^HTTP\/1\.1 )/m).filter(head => !head.startsWith('HTTP/1.1 103 '))
    assert.match(heads.join(''), /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-broke/, name)
    assert.equal(heads.length, 1, name)
    assert.doesNotMatch(first, /set-cookie/, name)
    const second = await http2Request(session, { ':path': `/${index}` })
    assert.deepEqual([second.status, second.headers['pbt-error']], [502, 'target-broke'], name)
    assert.equal((await http2Request(session, { ':path': '/' })).body.toString(), 'fine', name)
  }
  hasLasted(client)
})

test('C9: large and odd answers that mean one thing only pass', async t => {
  const odd = [
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(17 * 1024)}\r\nContent-Length: 4\r\n\r\nfine`, 200],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(62 * 1024)}\r\nContent-Length: 4\r\n\r\nfine`, 200],
    ['HTTP/1.1 599 Whatever\r\nContent-Length: 4\r\n\r\nfine', 599],
    ['HTTP/1.1 299\r\nContent-Length: 4\r\n\r\nfine', 299],
    ['HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nfine', 200],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n4;x=y\r\nfine\r\n0\r\n\r\n', 200],
  ] as const
  const { server, client } = await pbt(
    await answering(
      t,
      odd.map(([answer]) => answer),
    ),
  )
  const session = await http2Visitor(t, server)
  for (const [index, [answer, status]] of odd.entries()) {
    const name = JSON.stringify(answer.slice(0, 70))
    assert.match(await rawRequest(t, server, get(`/${index}`)), new RegExp(`^HTTP/1\\.1 ${status}[\\s\\S]*fine`), name)
    const second = await http2Request(session, { ':path': `/${index}` })
    assert.deepEqual([second.status, second.body.toString()], [status, 'fine'], name)
  }
  hasLasted(client)
})

test('D2: 102 and 103 pass, 100 only to those who asked for it', async t => {
  const interim = ['100 Continue', '102 Processing', '103 Early Hints', '199 Odd'].map(
    line => `HTTP/1.1 ${line}\r\nx: 1\r\n\r\n`,
  )
  const target = await scriptedTarget(t, `${interim.join('')}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine`)
  const { server } = await pbt(target)
  const statuses = async (more: string) =>
    [...(await rawRequest(t, server, get('/', more))).matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status)
  assert.deepEqual(await statuses(''), ['102', '103', '199', '200'])
  assert.deepEqual(await statuses('Expect: 100-continue\r\n'), ['100', '102', '103', '199', '200'])
  const session = await http2Visitor(t, server)
  assert.deepEqual((await http2Request(session, {})).interim, [102, 103, 199])
  // Nothing of the kind exists in HTTP/1.0.
  const old = await rawRequest(t, server, 'GET / HTTP/1.0\r\nHost: app.localhost\r\n\r\n')
  assert.match(old, /^HTTP\/1\.1 200 OK/)
})

test('D2: a flood of 200,000 interim answers is 502 after a few, and costs the programs nothing', async t => {
  const hint = 'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n'
  let written = 0
  const cuts: number[] = []
  const target = await rawTarget(t, socket => {
    let sent = 0
    const pour = () => {
      while (sent < FLOOD && !socket.destroyed) {
        sent++
        written++
        if (!socket.write(hint)) return
      }
      if (sent === FLOOD) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine')
    }
    socket.once('data', pour)
    socket.on('drain', pour)
    socket.on('end', () => socket.end())
    socket.on('close', () => cuts.push(sent))
  })
  const { server, client } = await pbt(target)
  const session = await http2Visitor(t, server)
  const before = [server.program, client].map(memoryMib)
  for (let round = 0; round < 5; round++) {
    const answer = await rawRequest(t, server, get('/'))
    // What had not gone out yet when the answer was found broken need not.
    assert.ok((answer.match(/^HTTP\/1\.1 103 /gm) ?? []).length <= MAX_INTERIM)
    assert.match(answer, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-broke/m)
    assert.doesNotMatch(answer, /200 OK/)
    const second = await http2Request(session, {})
    assert.equal(second.status, 502)
    assert.ok(second.interim.length <= MAX_INTERIM)
  }
  while (cuts.length < 10) await new Promise(setImmediate)
  assert.ok(
    cuts.every(sent => sent < FLOOD),
    `the target could send ${written} of ${10 * FLOOD}`,
  )
  for (const [index, program] of [server.program, client].entries()) {
    const grown = memoryMib(program) - (before[index] ?? 0)
    assert.ok(grown < 32, `grew by ${grown} MiB`)
  }
  hasLasted(client)
})

/** Of a target that says that it keeps its connections. */
const KEPT = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\n'

test('C8: an answer before the end of its request ends that connection to the target, and the rest of the request with it', async t => {
  const connections: string[] = []
  const target = await rawTarget(t, socket => {
    const index = connections.push('') - 1
    let heads = 0
    socket.on('data', chunk => {
      connections[index] += chunk.toString('latin1')
      // Answers each thing that looks like a head, as a server would that has lost its place.
      const seen = connections[index]?.match(/^(GET|POST) \S+ HTTP\/1\.1\r\n/gm)?.length ?? 0
      for (; heads < seen; heads++) socket.write(`${KEPT}Content-Length: 6\r\n\r\nno. ${index}/`)
    })
  })
  const { server, client, home } = await pbt(target)
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: app.localhost\r\n\r\n'
  const post = `POST /early HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: ${smuggled.length + 1_000}\r\n\r\n`
  const first = await rawRequest(t, server, post + smuggled)
  assert.match(first, /^HTTP\/1\.1 200 OK[\s\S]*no\. 0\/$/)
  const session = await http2Visitor(t, server)
  const early = session.request({ ':method': 'POST', ':path': '/early2' })
  early.on('error', () => {})
  early.write(smuggled)
  let body = ''
  for await (const chunk of early) body += chunk
  assert.equal(body, 'no. 1/')
  for (const path of ['/a', '/b']) {
    assert.match(await rawRequest(t, server, get(path)), /no\. 2\/$/, path)
    // A connection rests for two turns of the client's loop before it is lent again, and to ask the client takes more.
    await untilIdle(home, client)
  }
  assert.equal((await http2Request(session, { ':path': '/c' })).body.toString(), 'no. 2/')
  assert.equal(connections.length, 3)
  assert.doesNotMatch(connections[2] ?? '', /early|smuggled/)
  hasLasted(client)
})

test('C8: what a target says on an idle connection is no answer to the next request', async t => {
  let count = 0
  let idle: Socket | undefined
  const target = await rawTarget(t, socket => {
    const index = count++
    socket.on('data', () => socket.write(`${KEPT}Content-Length: 1\r\n\r\n${index}`))
    socket.on('end', () => socket.end())
    idle = socket
  })
  const { server, client } = await pbt(target)
  assert.match(await rawRequest(t, server, get('/')), /\r\n\r\n0$/)
  const over = once(idle ?? process, 'close')
  idle?.write('HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil')
  await over
  // Nor is the target believed any more that it keeps connections.
  assert.match(await rawRequest(t, server, get('/')), /\r\n\r\n1$/)
  assert.match(await rawRequest(t, server, get('/')), /\r\n\r\n2$/)
  hasLasted(client)
})
