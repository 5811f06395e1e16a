// TCP tunnels: whole connections, halves of them, resets, and the ports they keep.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { CLIENT, clientEnv, program, restartServer, scratch, startClient, startServer } from '../support/programs.ts'
import { rawTarget } from '../support/targets.ts'
import { outcome, untilEnd, visit } from '../support/tcp-visitors.ts'

test('F5: a target that speaks first, and echoes single bytes at once', async t => {
  const target = await rawTarget(t, socket => {
    socket.write('220 ready\r\n')
    socket.setNoDelay(true).pipe(socket)
  })
  const server = await startServer(t)
  const { port, url } = await startClient(t, server, ['tcp', String(target)])
  assert.equal(url.protocol, 'tcp:')
  assert.equal(url.hostname, 'localhost')
  const socket = await visit(t, port)
  const [banner] = await once(socket, 'data')
  assert.equal(String(banner), '220 ready\r\n')
  for (let index = 0; index < 200; index++) {
    socket.write(String.fromCharCode(65 + (index % 26)))
    const [echo] = await once(socket, 'data')
    assert.equal(String(echo), String.fromCharCode(65 + (index % 26)))
  }
})

test('F1: each direction ends by itself', async t => {
  const target = await rawTarget(t, async socket => {
    const { text, end } = await untilEnd(socket)
    assert.equal(end, 'clean')
    socket.write(`you said ${text}`)
    setImmediate(() => socket.end(', bye'))
  })
  const server = await startServer(t)
  const { port } = await startClient(t, server, ['tcp', String(target)])
  const asks = await visit(t, port)
  asks.end('hello')
  assert.deepEqual(await untilEnd(asks), { text: 'you said hello, bye', end: 'clean' })

  // The other way round: the target has said all, the visitor goes on.
  let hear: (text: string) => void = () => {}
  const heard = new Promise<string>(resolve => {
    hear = resolve
  })
  const quiet = await rawTarget(t, socket => {
    socket.end('that was all')
    untilEnd(socket).then(({ text }) => hear(text))
  })
  const second = await startClient(t, server, ['tcp', String(quiet)])
  const listens = await visit(t, second.port)
  assert.deepEqual(await untilEnd(listens), { text: 'that was all', end: 'clean' })
  listens.end('but not for me')
  assert.equal(await heard, 'but not for me')
})

test('F2: a reset of either side is a reset for the other', async t => {
  const sockets: Socket[] = []
  const target = await rawTarget(t, socket => {
    sockets.push(socket)
    socket.write('hello')
  })
  const server = await startServer(t)
  const { port } = await startClient(t, server, ['tcp', String(target)])
  const first = await visit(t, port)
  await once(first, 'data')
  const gone = once(first, 'error')
  sockets[0]?.resetAndDestroy()
  assert.equal((await gone)[0].code, 'ECONNRESET')

  const second = await visit(t, port)
  await once(second, 'data')
  const lost = once(sockets[1] as Socket, 'error')
  second.resetAndDestroy()
  assert.equal((await lost)[0].code, 'ECONNRESET')
})

test('F2: a visitor who ends and resets at once is a reset for the target, a unix socket is closed, and pbt goes on', async t => {
  const serve = (socket: Socket) => {
    gone.push(new Promise(resolve => socket.once('close', resolve)))
    const pour = () => {
      while (socket.writable && socket.write(Buffer.alloc(16_384)));
    }
    socket.on('error', () => {}).on('drain', pour)
    pour()
  }
  const gone: Promise<unknown>[] = []
  const path = join(scratch(t), 'socket')
  const local = createServer({ allowHalfOpen: true }, serve).listen(path)
  t.after(() => local.close())
  const server = await startServer(t)
  const { client } = await startClient(t, server, ['up', `tcp:${await rawTarget(t, serve)}`, `tcp:unix:${path}`])
  const online = await client.until(() => {
    const found = client.events.filter(({ event }) => event === 'online')
    return found.length < 2 ? undefined : found
  }, 'both tunnels')
  for (const { urls } of online) {
    for (let count = 0; count < 20; count++) {
      const visitor = await visit(t, Number(new URL(String((urls as string[])[0])).port))
      await once(visitor, 'data')
      // All that came was read: the server sees an end, and a reset with what it sends next.
      if (count % 2 === 0) visitor.destroy()
      else visitor.resetAndDestroy()
    }
  }
  assert.equal(gone.length, 40)
  await Promise.all(gone)
  assert.equal(client.child.exitCode, null)
})

test('F4: a target that is not there resets the visitor at once', async t => {
  const server = await startServer(t)
  const { port } = await startClient(t, server, ['tcp', '1'])
  assert.equal((await outcome(t, port)).end, 'ECONNRESET')
})

test('a target learns the address of its visitor with the PROXY protocol', async t => {
  const target = await rawTarget(t, socket => socket.once('data', chunk => socket.end(chunk)))
  const server = await startServer(t)
  const text = await startClient(t, server, ['tcp', String(target), '--proxy-protocol', 'v1'])
  const first = await visit(t, text.port)
  assert.deepEqual(await untilEnd(first), {
    text: `PROXY TCP4 127.0.0.1 127.0.0.1 ${first.localPort} ${text.port}\r\n`,
    end: 'clean',
  })
  await text.client.end()
  const binary = await startClient(t, server, ['tcp', String(target), '--proxy-protocol', 'v2'])
  const second = await visit(t, binary.port)
  const header = Buffer.from((await untilEnd(second)).text, 'latin1')
  assert.equal(header.toString('hex', 0, 24), '0d0a0d0a000d0a515549540a2111000c7f0000017f000001'.slice(0, 48))
  assert.deepEqual([header.readUInt16BE(24), header.readUInt16BE(26)], [second.localPort, binary.port])
})

test('F8: the same port after every restart, refused at once while nobody is there', async t => {
  const target = await rawTarget(t, socket => socket.end('here'))
  const home = scratch(t)
  let server = await startServer(t)
  const first = await startClient(t, server, ['tcp', String(target)], { home })
  const { port } = first
  await first.client.end()
  assert.equal((await outcome(t, port)).end, 'ECONNRESET')
  for (let round = 0; round < 5; round++) {
    const { client, port: again } = await startClient(t, server, ['tcp', String(target)], { home })
    assert.equal(again, port)
    assert.deepEqual(await untilEnd(await visit(t, port)), { text: 'here', end: 'clean' })
    await (round % 2 === 0 ? server.program : client).end('SIGKILL')
    if (round % 2 === 0) {
      server = await restartServer(t, server, { ports: server })
      // The client that is still there comes back to the new server with the same port.
      await client.event(
        'online',
        client.events.findIndex(each => each.event === 'reconnecting'),
      )
      assert.deepEqual(await untilEnd(await visit(t, port)), { text: 'here', end: 'clean' })
      await client.end('SIGKILL')
    }
  }
})

test('F6: a port that cannot be had is refused with the reason and exit code 4', async t => {
  const target = await rawTarget(t, socket => socket.end())
  const busy = createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.after(() => busy.close())
  const busyPort = String((busy.address() as { port: number }).port)
  const server = await startServer(t, { serverArgs: ['--port-range', '1024-65535'] })
  const held = await startClient(t, server, ['tcp', String(target)])
  const cases: readonly (readonly [port: string, code: string, message: RegExp])[] = [
    [String(held.port), 'port-taken', /is taken by .*target 127\.0\.0\.1/],
    [busyPort, 'port-taken', /another program uses it/],
    ['22', 'port-invalid', /privileged, and outside of 1024-65535/],
  ]
  for (const [port, code, message] of cases) {
    const args = ['tcp', String(target), '--reserve-port', port, '--json']
    const client = program(t, CLIENT, args, clientEnv(t, server))
    const error = await client.event('error')
    assert.equal(error.code, code)
    assert.match(String(error.message), message)
    assert.notEqual(error.cure, '')
    assert.equal((await client.exited).code, 4)
  }
  // Two tunnels of one command do not take it from each other.
  const port = 20_000 + Math.floor(Math.random() * 10_000)
  const twice = await startClient(t, server, ['up', `tcp:${target},port=${port}`, `tcp:${busyPort},port=${port}`])
  assert.equal(twice.port, port)
  assert.equal((await twice.client.event('error')).code, 'port-taken')
})

test('B5: an allowlist lets in the visitors that it names, on TCP and HTTP', async t => {
  const target = await rawTarget(t, socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  const server = await startServer(t)
  const open = await startClient(t, server, ['tcp', String(target), '--allow', '192.0.2.1', '--allow', '127.0.0.0/8'])
  assert.equal((await untilEnd(await visit(t, open.port))).end, 'clean')
  const closed = await startClient(t, server, ['tcp', String(target), '--allow', '192.0.2.0/24', '--name', 'closed'], {
    home: scratch(t),
  })
  assert.equal((await outcome(t, closed.port)).end, 'ECONNRESET')
  await startClient(t, server, ['http', String(target), '--domain', 'app', '--allow', '2001:db8::/32'])
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
  const target = await rawTarget(t, socket => socket.write('.'))
  const server = await startServer(t)
  const { port } = await startClient(t, server, ['tcp', String(target)])
  await Promise.all(Array.from({ length: COUNT }, async () => await once(await visit(t, port), 'data')))
  await Promise.all(Array.from({ length: COUNT }, () => visit(t, server.http)))
  for (const [end, at] of [
    ['local', port],
    ['local', server.http],
    ['remote', target],
  ] as const) {
    // The timer of what was just sent comes first.
    let times: number[] = []
    for (const deadline = performance.now() + 5_000; times.length < COUNT; times = secondsToProbe(end, at)) {
      assert.ok(performance.now() < deadline, `${times.length} of ${COUNT} at the ${end} port ${at}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    assert.ok(Math.max(...times) <= 30.1, `${times}`)
    assert.ok(Math.max(...times) - Math.min(...times) > 5, `${times}`)
  }
})
