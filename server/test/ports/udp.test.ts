// UDP tunnels: datagrams whole, flows apart, and nothing sent to an address that did not ask.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { on, once } from 'node:events'
import { test } from 'node:test'
import { readLog } from '../support/access-log.ts'
import { ask, LOST_MS, udpSocket, udpTarget } from '../support/datagrams.ts'
import { lastingPort, TUNNEL_PORTS } from '../support/ports.ts'
import { startClient, startServer } from '../support/programs.ts'
import { shared, startTunnels } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { outcome } from '../support/tcp-visitors.ts'

const house = shared(async t => {
  const later = await lastingPort()
  const echo = await udpTarget(t, datagram => [datagram])
  const many = await udpTarget(t, datagram => [datagram])
  const forgetful = await udpTarget(t, datagram => [datagram])
  const stream = await rawTarget(t, socket => socket.end('stream'))
  const got: Buffer[] = []
  const proxied = await udpTarget(t, datagram => {
    got.push(datagram)
    return [datagram]
  })
  const metrics = await lastingPort()
  const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  const same = await lastingPort(TUNNEL_PORTS)
  const specs = {
    ...{ echo: `udp:${echo.port}`, many: `udp:${many.port}`, later: `udp:${later}` },
    ...{ forgetful: `udp:${forgetful.port},idle-timeout=1s`, closed: `udp:${echo.port},allow=192.0.2.1` },
    ...{ udpOfTwo: `udp:${echo.port},port=${same}`, tcpOfTwo: `tcp:${stream},port=${same}` },
    proxied: `udp:${proxied.port},proxy-protocol=v2`,
  }
  const { client, urls } = await startTunnels(t, server, Object.values(specs))
  const names = Object.keys(specs)
  const urlOf = (name: keyof typeof specs) => urls[names.indexOf(name)] ?? assert.fail(name)
  const portOf = (name: keyof typeof specs) => Number(urlOf(name).port)
  return { server, client, metrics, urlOf, portOf, targets: { echo, many, forgetful, later, proxied }, got, same }
})

test('F12: datagrams of every size stay whole, the empty and the largest too', async t => {
  const { urlOf, portOf } = await house()
  assert.equal(urlOf('echo').protocol, 'udp:')
  const port = portOf('echo')
  const visitor = await udpSocket(t)
  for (const size of [1, 0, 64, 512, 1_400, 9_000, 65_507, 0, 1]) {
    const datagram = Buffer.alloc(size, size % 251)
    assert.deepEqual(await ask(visitor, port, datagram), datagram, `${size} bytes`)
  }
})

test('each visitor has a flow of its own, and the target can tell them apart', async t => {
  const { portOf, targets } = await house()
  const port = portOf('many')
  const visitors = await Promise.all(Array.from({ length: 20 }, () => udpSocket(t)))
  for (let round = 0; round < 3; round++) {
    const answers = visitors.map((visitor, index) => ask(visitor, port, Buffer.from(`${index}:${round}`)))
    assert.deepEqual(
      (await Promise.all(answers)).map(String),
      visitors.map((_, index) => `${index}:${round}`),
    )
  }
  assert.equal(targets.many.askers.size, 20)
})

test('a silent flow is forgotten, and its next datagram begins another', async t => {
  const { portOf, targets } = await house()
  const [port, target] = [portOf('forgetful'), targets.forgetful]
  const visitor = await udpSocket(t)
  // At one go: a busy machine may take longer than the timeout to answer the first.
  for (const text of ['one', 'two']) visitor.send(text, port, '127.0.0.1')
  let answers = 0
  for await (const _ of on(visitor, 'message', { signal: AbortSignal.timeout(LOST_MS) })) if (++answers === 2) break
  assert.equal(target.askers.size, 1)
  await new Promise(resolve => setTimeout(resolve, 4_000)) // the timeout itself is what is tested
  await ask(visitor, port, Buffer.from('three'))
  assert.equal(target.askers.size, 2)
})

test('F6, B5: TCP and UDP on one number; who is not allowed gets nothing', async t => {
  const { urlOf, portOf, same } = await house()
  const urls = [urlOf('udpOfTwo'), urlOf('tcpOfTwo')].map(({ protocol, host }) => `${protocol}//${host}`)
  assert.deepEqual(urls, [`udp://localhost:${same}`, `tcp://localhost:${same}`])
  assert.deepEqual(await outcome(t, same), { text: 'stream', end: 'clean' })
  const visitor = await udpSocket(t)
  assert.equal(String(await ask(visitor, same, Buffer.from('hello'))), 'hello')

  const refused = await udpSocket(t)
  let heard = 0
  refused.on('message', () => heard++)
  refused.send('hello?', portOf('closed'), '127.0.0.1')
  for (let count = 0; count < 20; count++) await ask(visitor, same, Buffer.from('after'))
  assert.equal(heard, 0)
})

test('a target that is not there yet is found when it comes', async t => {
  const { client, portOf, targets } = await house()
  const [port, later] = [portOf('later'), targets.later]
  const visitor = await udpSocket(t)
  for (let count = 0; count < 5; count++) visitor.send('anybody?', port, '127.0.0.1')
  const target = createSocket('udp4').bind(later, '127.0.0.1')
  t.after(() => target.close())
  target.on('message', (datagram, from) => target.send(datagram, from.port, from.address))
  await once(target, 'listening')
  // A refused datagram may take the next one with it, so not the first one alone.
  const again = setInterval(() => visitor.send('now', port, '127.0.0.1'), 100)
  t.after(() => clearInterval(again))
  for await (const [answer] of on(visitor, 'message', { signal: AbortSignal.timeout(LOST_MS) })) {
    if (String(answer) === 'now') break
  }
  assert.equal(client.events.filter(each => each.event === 'error').length, 0)
})

test('F14: a target learns the address of each visitor in front of its first datagram, with the PROXY protocol', async t => {
  const { server, portOf, targets, got } = await house()
  const { port } = await startClient(t, server, ['udp', String(targets.proxied.port), '--proxy-protocol', 'v2'])
  const visitors = [await udpSocket(t), await udpSocket(t, '127.0.0.2')]
  for (const visitor of visitors) {
    got.length = 0
    for (const text of ['one', 'two']) await ask(visitor, port, Buffer.from(text))
    const [first = Buffer.alloc(0), second] = got
    const { address, port: from } = visitor.address()
    assert.equal(first.toString('hex', 0, 16), '0d0a0d0a000d0a515549540a2112000c')
    assert.equal([...first.subarray(16, 20)].join('.'), address)
    assert.deepEqual([first.readUInt16BE(24), first.readUInt16BE(26)], [from, port])
    assert.equal(String(first.subarray(28)), 'one')
    assert.equal(String(second), 'two')
  }
  got.length = 0
  await ask(await udpSocket(t), portOf('proxied'), Buffer.from('three'))
  assert.equal(String(got[0]?.subarray(28)), 'three')
})

test('B5: each datagram of a visitor that is not allowed is a refusal of that tunnel, and none of them a record', async t => {
  const { server, metrics, targets } = await house()
  const { port, client } = await startClient(t, server, ['udp', String(targets.echo.port), '--allow', '127.0.0.1/32'])
  const stranger = await udpSocket(t, '127.0.0.2')
  const count = 20
  for (let sent = 0; sent < count; sent++) {
    await new Promise(resolve => stranger.send('let me in', port, '127.0.0.1', resolve))
  }
  // The answer to another one tells that they have been read: they came before it to the same socket.
  await ask(await udpSocket(t), port, Buffer.from('hello'))
  const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
  const totalOf = (name: string, tunnel: string) =>
    Number(new RegExp(`^pbt_${name}_total\\{tunnel="${tunnel}".*\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
  assert.equal(totalOf('refused', `udp-${port}`), count, text)
  assert.equal(totalOf('udp_dropped', `udp-${port}`), 0, text)
  await client.end()
  // So that everything is written: no other test comes after this one.
  await server.program.end()
  const log = readLog(t, server.dataDir)
  assert.deepEqual(
    log.records({ tunnel: `udp-${port}`, limit: 100 }).map(({ kind, visitor }) => [kind, visitor]),
    [['udp', '127.0.0.1']],
  )
})
