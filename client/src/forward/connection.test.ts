// Whether a connection is looked at rightly before the loop has told: real sockets, the other end in a thread of its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Worker } from 'node:worker_threads'
import { TEST_CERTIFICATE, TEST_KEY } from '../session/testing/certificate.ts'
import { Connection } from './connection.ts'

const WAIT_MS = 60_000
let paths = 0

/** Listens, and does to its connection what it is told, `end` or `say`; what is done is noted where a blocked loop can see it. */
const PEER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { kind, path, cert, key, done } = workerData
  const net = require('node:net')
  const tls = require('node:tls')
  const server = kind === 'tls' ? tls.createServer({ cert, key }) : net.createServer()
  server.on(kind === 'tls' ? 'secureConnection' : 'connection', socket => {
    socket.on('error', () => {})
    socket.setNoDelay(true)
    // TLS calls back when it has taken the bytes, and writes them a few turns later.
    const note = (_error, turns = 20) => {
      if (turns > 0) return void setImmediate(note, undefined, turns - 1)
      Atomics.store(done, 0, 1)
      Atomics.notify(done, 0)
    }
    parentPort.on('message', what => what === 'end' ? socket.end(note) : socket.write('x', note))
    parentPort.postMessage('connected')
  })
  server.listen(kind === 'unix' ? { path } : { port: 0, host: '127.0.0.1' }, () => parentPort.postMessage(server.address()))
`

async function connection(t: TestContext, kind: 'tcp' | 'tls' | 'unix') {
  const done = new Int32Array(new SharedArrayBuffer(4))
  const path = join(tmpdir(), `pbt-test-${process.pid}-${paths++}.sock`)
  const peer = new Worker(PEER, {
    eval: true,
    workerData: { kind, path, cert: TEST_CERTIFICATE, key: TEST_KEY, done },
  })
  t.after(() => peer.terminate())
  const [address] = await once(peer, 'message')
  const socket: Socket =
    kind === 'unix'
      ? connectTcp({ path })
      : kind === 'tls'
        ? connectTls({ port: address.port, host: '127.0.0.1', rejectUnauthorized: false })
        : connectTcp(address.port, '127.0.0.1')
  t.after(() => socket.destroy())
  const connected = once(peer, 'message')
  await once(socket, kind === 'tls' ? 'secureConnect' : 'connect')
  await connected
  // Tickets of TLS come after the handshake.
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  const held = new Connection(socket, () => {})
  /** Has the peer do it, and lets no turn of the loop go by. */
  const meanwhile = (what: string) => {
    Atomics.store(done, 0, 0)
    peer.postMessage(what)
    assert.notEqual(Atomics.wait(done, 0, 0, WAIT_MS), 'timed-out')
  }
  return { held, meanwhile }
}

for (const kind of ['tcp', 'tls', 'unix'] as const) {
  test(`a connection over ${kind} is silent until its peer ends it or says something, also before the loop tells`, async t => {
    for (const what of ['end', 'say']) {
      const { held, meanwhile } = await connection(t, kind)
      assert.ok(held.isSilent() && held.isSilent() && held.isUsable)
      meanwhile(what)
      assert.ok(held.isUsable, 'the loop has told nothing')
      assert.equal(held.isSilent(), false, what)
      held.destroy()
      assert.equal(held.isUsable, false)
    }
  })
}
