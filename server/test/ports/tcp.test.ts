// TCP tunnels: whole connections, halves of them, resets, and the ports they keep.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { lastingPort, TUNNEL_PORTS } from '../support/ports.ts'
import { CLIENT, clientEnv, program, restartServer, scratch, startClient, startServer } from '../support/programs.ts'
import { shared, startTunnels } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { outcome, untilEnd, visit } from '../support/tcp-visitors.ts'

const house = shared(async t => {
  const opened: Socket[] = []
  const said = Promise.withResolvers<string>()
  const poured: Promise<unknown>[] = []
  const pour = (socket: Socket) => {
    poured.push(new Promise(resolve => socket.once('close', resolve)))
    const more = () => {
      while (socket.writable && socket.write(Buffer.alloc(16_384)));
    }
    socket.on('error', () => {}).on('drain', more)
    more()
  }
  const path = join(scratch(t), 'socket')
  const local = createServer({ allowHalfOpen: true }, pour).listen(path)
  t.after(() => local.close())
  const speaksFirst = await rawTarget(t, socket => {
    socket.write('220 ready\r\n')
    socket.setNoDelay(true).pipe(socket)
  })
  const hearsAll = await rawTarget(t, async socket => {
    const { text, end } = await untilEnd(socket)
    assert.equal(end, 'clean')
    socket.write(`you said ${text}`)
    setImmediate(() => socket.end(', bye'))
  })
  const saysAll = await rawTarget(t, socket => {
    socket.end('that was all')
    untilEnd(socket).then(({ text }) => said.resolve(text))
  })
  const greets = await rawTarget(t, socket => {
    opened.push(socket)
    socket.write('hello')
  })
  const pours = await rawTarget(t, pour)
  const repeats = await rawTarget(t, socket => socket.once('data', chunk => socket.end(chunk)))
  const silent = await rawTarget(t, socket => socket.write('.'))
  const ok = await rawTarget(t, socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  const server = await startServer(t, { serverArgs: ['--port-range', '20000-65535'] })
  const specs = {
    ...{ speaksFirst: `tcp:${speaksFirst}`, hearsAll: `tcp:${hearsAll}`, saysAll: `tcp:${saysAll}` },
    ...{ greets: `tcp:${greets}`, pours: `tcp:${pours}`, poursLocally: `tcp:unix:${path}`, nobody: 'tcp:1' },
    ...{ binary: `tcp:${repeats},proxy-protocol=v2` },
    ...{ silent: `tcp:${silent}`, open: `tcp:${ok},allow=192.0.2.1,allow=127.0.0.0/8` },
    ...{ closed: `tcp:${ok},allow=192.0.2.0/24`, http: `http:${ok},domain=app,allow=2001:db8::/32` },
  }
  const { client, urls } = await startTunnels(t, server, Object.values(specs))
  const byName = Object.fromEntries(Object.keys(specs).map((name, index) => [name, urls[index]]))
  const portOf = (name: keyof typeof specs) => Number(byName[name]?.port)
  return { server, client, byName, portOf, opened, said: said.promise, poured, targets: { silent, ok, repeats } }
})

test('F5: a target that speaks first, and echoes single bytes at once', async t => {
  const { byName } = await house()
  const { protocol, hostname, port } = byName.speaksFirst ?? {}
  assert.deepEqual([protocol, hostname], ['tcp:', 'localhost'])
  const socket = await visit(t, Number(port))
  const [banner] = await once(socket, 'data')
  assert.equal(String(banner), '220 ready\r\n')
  for (let index = 0; index < 200; index++) {
    socket.write(String.fromCharCode(65 + (index % 26)))
    const [echo] = await once(socket, 'data')
    assert.equal(String(echo), String.fromCharCode(65 + (index % 26)))
  }
})

test('F1: each direction ends by itself', async t => {
  const { portOf, said } = await house()
  const asks = await visit(t, portOf('hearsAll'))
  asks.end('hello')
  assert.deepEqual(await untilEnd(asks), { text: 'you said hello, bye', end: 'clean' })

  // The other way round: the target has said all, the visitor goes on.
  const listens = await visit(t, portOf('saysAll'))
  assert.deepEqual(await untilEnd(listens), { text: 'that was all', end: 'clean' })
  listens.end('but not for me')
  assert.equal(await said, 'but not for me')
})

test('F2: a reset of either side is a reset for the other', async t => {
  const { portOf, opened } = await house()
  const first = await visit(t, portOf('greets'))
  await once(first, 'data')
  const gone = once(first, 'error')
  opened[0]?.resetAndDestroy()
  assert.equal((await gone)[0].code, 'ECONNRESET')

  const second = await visit(t, portOf('greets'))
  await once(second, 'data')
  const lost = once(opened[1] as Socket, 'error')
  second.resetAndDestroy()
  assert.equal((await lost)[0].code, 'ECONNRESET')
})

test('F2: a visitor who ends and resets at once is a reset for the target, a unix socket is closed, and pbt goes on', async t => {
  const { portOf, poured, client } = await house()
  for (const name of ['pours', 'poursLocally'] as const) {
    for (let count = 0; count < 20; count++) {
      const visitor = await visit(t, portOf(name))
      await once(visitor, 'data')
      // All that came was read: the server sees an end, and a reset with what it sends next.
      if (count % 2 === 0) visitor.destroy()
      else visitor.resetAndDestroy()
    }
  }
  assert.equal(poured.length, 40)
  await Promise.all(poured)
  assert.equal(client.child.exitCode, null)
})

test('F4: a target that is not there resets the visitor at once', async t => {
  const { portOf } = await house()
  assert.equal((await outcome(t, portOf('nobody'))).end, 'ECONNRESET')
})

test('a target learns the address of its visitor with the PROXY protocol', async t => {
  const { server, portOf, targets } = await house()
  const text = await startClient(t, server, ['tcp', String(targets.repeats), '--proxy-protocol', 'v1'])
  const first = await visit(t, text.port)
  assert.deepEqual(await untilEnd(first), {
    text: `PROXY TCP4 127.0.0.1 127.0.0.1 ${first.localPort} ${text.port}\r\n`,
    end: 'clean',
  })
  const second = await visit(t, portOf('binary'))
  const header = Buffer.from((await untilEnd(second)).text, 'latin1')
  assert.equal(header.toString('hex', 0, 24), '0d0a0d0a000d0a515549540a2111000c7f0000017f000001'.slice(0, 48))
  assert.deepEqual([header.readUInt16BE(24), header.readUInt16BE(26)], [second.localPort, portOf('binary')])
})

test('F8: the same ports after every restart, one for each tunnel of a target, refused at once while nobody is there', async t => {
  const target = await rawTarget(t, socket => socket.end('here'))
  const home = scratch(t)
  const start = () => startTunnels(t, server, [`tcp:${target}`, `tcp:${target}`], { home })
  const serve = async () => {
    for (const port of ports) assert.deepEqual(await outcome(t, port), { text: 'here', end: 'clean' })
  }
  let server = await startServer(t)
  const first = await start()
  const ports = first.ports.sort()
  assert.notEqual(ports[0], ports[1])
  await first.client.end()
  for (const port of ports) assert.equal((await outcome(t, port)).end, 'ECONNRESET')
  for (const [ends, signal] of [
    ['server', 'SIGKILL'],
    ['client', 'SIGKILL'],
    ['server', 'SIGTERM'],
    ['client', 'SIGTERM'],
    ['server', 'SIGKILL'],
  ] as const) {
    const { client, ports: again } = await start()
    // Which of two tunnels to one target has which is not said.
    assert.deepEqual(again.sort(), ports)
    await serve()
    if (ends === 'client') await client.end(signal)
    else {
      const seen = client.events.length
      await server.program.end(signal)
      server = await restartServer(t, server, { ports: server })
      // The client that is still there comes back to the new server with the same ports.
      await client.until(() => {
        const online = client.events.slice(seen).filter(({ event }) => event === 'online')
        return online.length < 2 ? undefined : online
      }, 'both tunnels again')
      await serve()
      await client.end('SIGKILL')
    }
  }
})

test('F6: a port that cannot be had is refused with the reason and exit code 4', async t => {
  const { server, portOf, targets } = await house()
  const busy = createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.after(() => busy.close())
  const busyPort = String((busy.address() as { port: number }).port)
  const cases: readonly (readonly [port: string, code: string, message: RegExp])[] = [
    [String(portOf('nobody')), 'port-taken', /is taken by .*target 127\.0\.0\.1/],
    [busyPort, 'port-taken', /another program uses it/],
    ['22', 'port-invalid', /privileged, and outside of 20000-65535/],
  ]
  for (const [port, code, message] of cases) {
    const args = ['tcp', String(targets.ok), '--reserve-port', port, '--json']
    const client = program(t, CLIENT, args, clientEnv(t, server))
    const error = await client.event('error')
    assert.equal(error.code, code)
    assert.match(String(error.message), message)
    assert.notEqual(error.cure, '')
    assert.equal((await client.exited).code, 4)
  }
  // Two tunnels of one command do not take it from each other.
  const port = await lastingPort(TUNNEL_PORTS)
  const twice = await startClient(t, server, ['up', `tcp:${targets.ok},port=${port}`, `tcp:${busyPort},port=${port}`])
  assert.equal(twice.port, port)
  assert.equal((await twice.client.event('error')).code, 'port-taken')
})

test('B5: an allowlist lets in the visitors that it names, on TCP and HTTP', async t => {
  const { server, portOf } = await house()
  assert.equal((await untilEnd(await visit(t, portOf('open')))).end, 'clean')
  assert.equal((await outcome(t, portOf('closed'))).end, 'ECONNRESET')
  // What a visitor says of its address does not count, nor what it wants to become.
  const forged = ['', 'X-Forwarded-For: 2001:db8::1\r\n', 'Upgrade: websocket\r\nForwarded: for="[2001:db8::1]"\r\n']
  for (const fields of forged) {
    const visitor = await visit(t, server.http)
    const connection = fields.startsWith('Upgrade') ? 'upgrade' : 'close'
    visitor.write(`GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: ${connection}\r\n${fields}\r\n`)
    assert.match((await untilEnd(visitor)).text, /^HTTP\/1\.1 403 [\s\S]*pbt-error: not-allowed/)
  }
})

/** For each established connection of this local or remote port, the seconds until TCP asks for its silent peer. */
function secondsToProbe(end: 'local' | 'remote', port: number): number[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const [ESTABLISHED, PROBING, TICKS_A_SECOND] = ['01', '02', 100]
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(
      ([, local, remote, state]) => state === ESTABLISHED && (end === 'local' ? local : remote)?.endsWith(`:${hex}`),
    )
    .map(([, , , , , timer = '']) => timer.split(':'))
    .filter(([kind]) => kind === PROBING)
    .map(([, ticks = '']) => Number.parseInt(ticks, 16) / TICKS_A_SECOND)
}

const noProc = process.platform === 'linux' ? false : 'only Linux tells the timers of connections'

test('connections that came together look for silent peers at different times', { skip: noProc }, async t => {
  const COUNT = 64
  const { server, portOf, targets } = await house()
  const port = portOf('silent')
  await Promise.all(Array.from({ length: COUNT }, async () => await once(await visit(t, port), 'data')))
  await Promise.all(Array.from({ length: COUNT }, () => visit(t, server.http)))
  for (const [end, at] of [
    ['local', port],
    ['local', server.http],
    ['remote', targets.silent],
  ] as const) {
    // The timer of what was just sent comes first.
    let times: number[] = []
    for (const deadline = performance.now() + 60_000; times.length < COUNT; times = secondsToProbe(end, at)) {
      assert.ok(performance.now() < deadline, `${times.length} of ${COUNT} at the ${end} port ${at}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    assert.ok(Math.max(...times) <= 30.1, `${times}`)
    assert.ok(Math.max(...times) - Math.min(...times) > 5, `${times}`)
  }
})
