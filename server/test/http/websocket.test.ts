// Upgrades end to end: the target accepts or refuses, bytes glued to the handshake stay, and both sides see an end.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { sharedPbt } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptOf, FrameReader, frame, upgradeRequest, WEBSOCKET_KEY } from '../support/websocket.ts'

const { pbt } = sharedPbt()

const HELLO = Buffer.from('glued by the target')

/** A WebSocket service that greets within the handshake's packet and echoes. */
function echoTarget(t: Parameters<typeof httpTarget>[0], onSocket: (socket: Socket) => void = () => {}) {
  return httpTarget(
    t,
    (_request, response) => response.writeHead(426).end('upgrade, please'),
    server =>
      server.on('upgrade', (request, socket, head) => {
        onSocket(socket as Socket)
        const accept = acceptOf(String(request.headers['sec-websocket-key']))
        const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
        lines.push(`Sec-WebSocket-Accept: ${accept}`, 'Sec-WebSocket-Protocol: chat', '', '')
        socket.write(Buffer.concat([Buffer.from(lines.join('\r\n')), frame(HELLO, false)]))
        const reader = new FrameReader()
        const echo = (chunk: Buffer) => {
          for (const payload of reader.push(chunk)) socket.write(frame(payload, false))
        }
        echo(head)
        socket.on('data', echo)
        socket.on('end', () => socket.end())
        socket.on('error', () => {})
      }),
  )
}

/** What a body says, without the chunks that a head may announce. */
function bodyOf(message: string, body: string): string {
  if (!/^transfer-encoding: chunked\r$/im.test(message)) return body
  assert.match(body, /(^|\r\n)0\r\n\r\n$/)
  return [...body.matchAll(/[0-9a-f]+\r\n([^\r]*)\r\n/g)].map(([, chunk]) => chunk).join('')
}

for (const [name, visit] of [
  ['plain', rawVisitor],
  ['TLS', rawTlsVisitor],
] as const) {
  test(`D9: a WebSocket over ${name} echoes, frames glued to the handshake on both sides included`, async t => {
    const { server } = await pbt(await echoTarget(t))
    const visitor = await visit(t, server)
    const big = Buffer.alloc(300_000, 'x')
    visitor.send(Buffer.concat([Buffer.from(upgradeRequest()), frame(Buffer.from('glued by the visitor'), true)]))
    await visitor.until(/glued by the visitor$/)
    assert.match(visitor.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    assert.match(visitor.text, new RegExp(`Sec-WebSocket-Accept: ${acceptOf(WEBSOCKET_KEY).replace(/[+/]/g, '\\$&')}`))
    assert.match(visitor.text, /Sec-WebSocket-Protocol: chat/)
    assert.ok(visitor.text.includes(HELLO.toString()))
    const before = visitor.bytes
    visitor.send(frame(big, true))
    await visitor.until(() => visitor.bytes - before === frame(big, false).length)
  })
}

test('D9: a refused upgrade is an ordinary answer, whatever its status and framing', async t => {
  const answers = [
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody',
    'HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?',
    'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 426 Upgrade Required\r\nX-Wants: chess/2\r\nConnection: close\r\n\r\nuntil the end',
    'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\nlater',
  ]
  const target = await rawTarget(t, socket =>
    socket.once('data', chunk => {
      const answer = answers[Number(/^GET \/(\d)/.exec(chunk.toString())?.[1])] ?? ''
      // An answer without a length ends with its connection.
      if (/Connection: close/.test(answer)) socket.end(answer)
      else socket.write(answer)
    }),
  )
  const { server, client } = await pbt(target)
  for (const [index, answer] of answers.entries()) {
    for (const visit of [rawVisitor, rawTlsVisitor]) {
      const visitor = await visit(t, server)
      visitor.send(upgradeRequest(`/${index}`))
      assert.equal(await visitor.over(), 'end', answer)
      const [head = '', ...body] = answer.split('\r\n\r\n')
      const [statusLine = '', ...fields] = head.split('\r\n')
      assert.ok(visitor.text.startsWith(`${statusLine}\r\n`), visitor.text)
      for (const field of fields.filter(line => !/^(connection|transfer-encoding)/i.test(line))) {
        assert.ok(visitor.text.includes(`\r\n${field}\r\n`), `${field} in ${visitor.text}`)
      }
      const came = visitor.text.slice(visitor.text.indexOf('\r\n\r\n') + 4)
      assert.equal(bodyOf(visitor.text, came), bodyOf(answer, body.join('\r\n\r\n')))
    }
  }
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
})

test('D9: 50 KB of fields in the handshake pass both ways', async t => {
  const big = `X-Big: ${'y'.repeat(50_000)}`
  const target = await rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const isWhole = text.includes(`\r\n${big}\r\n`)
      const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${big}\r\nX-Whole: ${isWhole}`
      socket.write(`${head}\r\nSec-WebSocket-Accept: x\r\n\r\n`)
      text = ''
    })
  })
  const { server } = await pbt(target)
  for (const visit of [rawVisitor, rawTlsVisitor]) {
    const visitor = await visit(t, server)
    visitor.send(upgradeRequest().replace('\r\n\r\n', `\r\n${big}\r\n\r\n`))
    await visitor.until(/\r\n\r\n/)
    assert.match(visitor.text, /^HTTP\/1\.1 101 [\s\S]*\r\nX-Big: y{50000}\r\nX-Whole: true\r\n/)
  }
})

test('D9: an upgrade that could be read as two things is 400, and the target hears nothing of it', async t => {
  let heard = ''
  const target = await rawTarget(t, socket => {
    socket.on('data', chunk => {
      heard += chunk.toString('latin1')
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    })
  })
  const { server } = await pbt(target)
  const good = upgradeRequest()
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: app.localhost\r\n\r\n'
  const refused = [
    ['CONNECT', good.replace('GET /', 'CONNECT app.localhost')],
    ['two lengths', good.replace('\r\n\r\n', '\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n')],
    ['two hosts', good.replace('\r\n\r\n', '\r\nHost: app.localhost\r\n\r\n')],
    ['no host', good.replace(/Host: .*\r\n/, '')],
  ] as const
  for (const [name, request] of refused) {
    for (const visit of [rawVisitor, rawTlsVisitor]) {
      const visitor = await visit(t, server)
      visitor.send(request + smuggled)
      await visitor.over()
      assert.match(visitor.text, /^HTTP\/1\.1 400 [\s\S]*pbt-error: bad-request/, name)
      assert.equal(visitor.text.match(/^HTTP\/1\.1 /gm)?.length, 1, name)
    }
  }
  assert.equal(heard, '')
  const visitor = await rawVisitor(t, server)
  visitor.send(good)
  await visitor.until(/^HTTP\/1\.1 101 /)
})

test('D9: another protocol than WebSocket passes as it is', async t => {
  const target = await rawTarget(t, socket => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\nyour move')
      socket.on('data', chunk => socket.write(`${chunk} is a good one`))
    })
  })
  const { server } = await pbt(target)
  const visitor = await rawVisitor(t, server)
  visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\n')
  await visitor.until(/your move$/)
  assert.match(visitor.text, /upgrade: chess\/2/i)
  visitor.send('e4')
  await visitor.until(/e4 is a good one$/)
})

test('D10: when the target dies the visitor sees it, and when the visitor dies the target does; pbt goes on', async t => {
  let targetSocket: Socket | undefined
  const { server } = await pbt(
    await echoTarget(t, socket => {
      targetSocket = socket
    }),
  )
  const visitor = await rawVisitor(t, server)
  visitor.send(upgradeRequest())
  await visitor.until(/glued by the target$/)
  targetSocket?.resetAndDestroy()
  assert.equal(await visitor.over(), 'cut')

  const leaving = await rawVisitor(t, server)
  leaving.send(upgradeRequest())
  await leaving.until(/glued by the target$/)
  const gone = new Promise(resolve => targetSocket?.once('close', resolve))
  leaving.socket.resetAndDestroy()
  await gone

  const after = await rawVisitor(t, server)
  after.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await after.until(/^HTTP\/1\.1 426/)
})
