// Upgrades end to end: the target accepts or refuses, bytes glued to the handshake stay, and both sides see an end.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { startPbt } from './support/programs.ts'
import { httpTarget, rawTarget } from './support/targets.ts'
import { rawTlsVisitor, rawVisitor } from './support/visitors.ts'
import { acceptOf, FrameReader, frame, upgradeRequest, WEBSOCKET_KEY } from './support/websocket.ts'

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

for (const [name, visit] of [
  ['plain', rawVisitor],
  ['TLS', rawTlsVisitor],
] as const) {
  test(`D9: a WebSocket over ${name} echoes, frames glued to the handshake on both sides included`, async t => {
    const { server } = await startPbt(t, await echoTarget(t))
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

test('D9: a refused upgrade is an ordinary answer', async t => {
  const target = await httpTarget(
    t,
    () => {},
    server =>
      server.on('upgrade', (_request, socket) => {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nWWW-Authenticate: Basic\r\n\r\nwho?')
      }),
  )
  const { server } = await startPbt(t, target)
  const visitor = await rawVisitor(t, server)
  visitor.send(upgradeRequest())
  await visitor.over()
  assert.match(visitor.text, /^HTTP\/1\.1 401 Unauthorized[\s\S]*WWW-Authenticate: Basic[\s\S]*\r\n\r\nwho\?$/)
})

test('D9: another protocol than WebSocket passes as it is', async t => {
  const target = await rawTarget(t, socket => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\nyour move')
      socket.on('data', chunk => socket.write(`${chunk} is a good one`))
    })
  })
  const { server } = await startPbt(t, target)
  const visitor = await rawVisitor(t, server)
  visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\n')
  await visitor.until(/your move$/)
  assert.match(visitor.text, /upgrade: chess\/2/i)
  visitor.send('e4')
  await visitor.until(/e4 is a good one$/)
})

test('D10: when the target dies the visitor sees it, and when the visitor dies the target does; pbt goes on', async t => {
  let targetSocket: Socket | undefined
  const { server } = await startPbt(
    t,
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
