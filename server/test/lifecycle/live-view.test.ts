// What the live view of the real program shows of real visitors, and what it tells programs of them.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { lastingPort } from '../support/ports.ts'
import { CLIENT, clientEnv, program, SERVER, startClient, startServer } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { visit } from '../support/tcp-visitors.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'
import { RawVisitor, rawRequest } from '../support/visitors.ts'

const skip = hasTerminals ? false : 'script (util-linux) is not installed'
const house = shared(startServer)
const WIDE = { columns: 120, rows: 40 }

test('three tunnels: open connections with their peer and bytes, the 502 that a visitor got, whose row it is, who may visit', {
  skip,
}, async t => {
  const server = await house()
  const app = await httpTarget(t, (_request, response) => response.end('x'.repeat(1_000)))
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const specs = [
    `http:${app},domain=app,allow=127.0.0.0/8`,
    `http:${await lastingPort()},domain=dead`,
    `tcp:${echo},name=ssh`,
  ]
  const env = { ...clientEnv(t, server), NO_COLOR: '1' }
  const { until } = await inTerminal(t, CLIENT, ['up', ...specs], { size: WIDE, kind: 'xterm', env })
  const port = Number(await until(/tcp:\/\/localhost:(\d+)/))
  await until(/Visitors {2}only 127\.0\.0\.0\/8/)
  const visitor = new RawVisitor(await visit(t, port))
  visitor.send('y'.repeat(700))
  await visitor.until(/y{700}/)
  const { localPort } = visitor.socket as { localPort?: number }
  await until(new RegExp(`ssh +TCP +open +[\\d.]+ m?s +700 B +700 B +127\\.0\\.0\\.1:${localPort}`))
  for (const name of ['app', 'dead'])
    await rawRequest(t, server, `GET /${name} HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)
  await until(/app +GET +200 +[\d.]+ m?s +0 B +1\.0 kB +127\.0\.0\.1 +\/app/)
  await until(/dead +GET +502 .* \/dead .*target-unreachable/)
  visitor.socket.destroy()
  await until(new RegExp(`ssh +TCP +closed .*127\\.0\\.0\\.1:${localPort}`))
  // The payload alone: what visitors sent and got.
  await until(/in 700 B \(\d+ k?B\/s\), out 1\.7 kB/)
  await until(/2 requests, 1 connection \(\d+\/s\), 0 open/)
})

test('with --json each request, connection and flow is an event', async t => {
  const server = await house()
  const app = await httpTarget(t, (_request, response) => response.end('x'.repeat(1_000)))
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  udp.on('message', (data, from) => udp.send(data, from.port, from.address)).bind(0, '127.0.0.1')
  await once(udp, 'listening')
  const specs = [`http:${app},domain=told`, `tcp:${echo},name=shell`, `udp:${udp.address().port},name=vpn`]
  const { client } = await startClient(t, server, ['up', ...specs, `http:${await lastingPort()},domain=failing`])
  const online = await client.until(() => {
    const all = client.events.filter(({ event }) => event === 'online')
    return all.length === 4 ? all : undefined
  }, 'four tunnels')
  const portOf = (kind: string) => {
    const urls = online.find(one => one.kind === kind)?.urls
    return Number(new URL(Array.isArray(urls) ? String(urls[0]) : '').port)
  }
  const told = (event: string, state?: string) =>
    client.until(() => client.visitEvents.find(one => one.event === event && one.state === state), `${event} ${state}`)

  await rawRequest(
    t,
    server,
    'POST /a?b HTTP/1.1\r\nHost: told.localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc',
  )
  const { time, ms, number, ...request } = await told('request')
  assert.deepEqual(request, {
    ...{ event: 'request', tunnel: 'told', method: 'POST', path: '/a?b', status: 200 },
    ...{ bytesIn: 3, bytesOut: 1_000, visitor: '127.0.0.1', reason: '' },
  })
  assert.deepEqual([typeof time, typeof ms, number], ['string', 'number', 1])
  await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: failing.localhost\r\nConnection: close\r\n\r\n')
  const failed = await client.until(() => client.visitEvents.find(one => one.tunnel === 'failing'), 'the failed one')
  assert.equal(failed.status, 502)
  assert.match(String(failed.reason), /^target-unreachable: /)

  const socket = await visit(t, portOf('tcp'))
  const visitor = new RawVisitor(socket)
  visitor.send('hello')
  await visitor.until(/hello/)
  const peer = { number: 2, tunnel: 'shell', visitor: '127.0.0.1', visitorPort: socket.localPort }
  const { time: _began, ...open } = await told('connection', 'open')
  assert.deepEqual(open, { event: 'connection', state: 'open', ...peer, ms: 0, bytesIn: 0, bytesOut: 0 })
  socket.end()
  const { time: _ended, ms: _lasted, ...closed } = await told('connection', 'closed')
  assert.deepEqual(closed, { event: 'connection', state: 'closed', ...peer, bytesIn: 5, bytesOut: 5, reason: '' })

  const asking = createSocket('udp4')
  t.after(() => asking.close())
  const answered = once(asking, 'message')
  asking.send('ping', portOf('udp'), '127.0.0.1')
  await answered
  assert.equal((await told('flow', 'open')).tunnel, 'vpn')
  client.child.kill('SIGTERM')
  await client.exited
  const flow = client.visitEvents.find(one => one.event === 'flow' && one.state === 'closed')
  assert.deepEqual([flow?.bytesIn, flow?.bytesOut, flow?.dropped], [4, 4, 0], 'what waits is written at the end')
})

test('the allowlist that is in force is told, whoever set it and whenever', async t => {
  const server = await house()
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const { client } = await startClient(t, server, [
    'http',
    String(target),
    '--domain',
    'listed',
    '--allow',
    '127.0.0.0/8',
  ])
  const listsOf = (skip: number) =>
    client.until(() => client.events.filter(({ event }) => event === 'online')[skip]?.allowlists, `online ${skip}`)
  assert.deepEqual(await listsOf(0), [{ blocks: ['127.0.0.0/8'], more: 0 }])
  const allow = (...words: string[]) =>
    program(t, SERVER, ['address', 'allow', 'listed', ...words, '--data-dir', server.dataDir]).exited
  const many = Array.from({ length: 20 }, (_, index) => `203.0.113.${index}`)
  await allow(...many)
  assert.deepEqual(await listsOf(1), [{ blocks: many.slice(0, 16), more: 4 }])
  await allow('everybody')
  assert.deepEqual(await listsOf(2), [])
  await allow('nobody')
  assert.deepEqual(await listsOf(3), [{ blocks: [], more: 0 }])
  await allow('as-client')
  assert.deepEqual(await listsOf(4), [{ blocks: ['127.0.0.0/8'], more: 0 }])
})
