// An upgrade behind a body whose client is waited for: real sockets, the channel played by the test.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type ChannelHandler, KIB } from '@pbt/proto'
import { channelStub } from '@pbt/proto/testing'
import type { LiveTunnel, Lookup } from '../../relay/registry.ts'
import { visitorOf } from '../fields/headers.ts'
import { Router } from '../router.ts'
import { IGNORED, NO_LIMIT } from '../testing/access.ts'
import { IncomingRequest } from './request-parser.ts'
import { serveUpgrade } from './upgrade.ts'

const LENGTH = 300 * KIB
/** Only a failure waits for it. */
const WAIT_MS = 60_000

async function waiting(t: TestContext) {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.after(() => {
    visitor.destroy()
    socket.destroy()
    server.close()
  })
  let tell: (lookup: Lookup) => void = () => {}
  const router = new Router({
    baseDomain: 'localhost',
    tunnels: {
      lookup: () => ({ state: 'awaited' }),
      whenKnown: (_host, call) => {
        tell = call
        return () => {}
      },
    },
    covers: () => true,
    limits: { isMemoryShort: false },
  })
  const fields = ['Host', 'app.localhost', 'Connection', 'Upgrade', 'Upgrade', 'tcp', 'Content-Length', String(LENGTH)]
  const from = visitorOf('127.0.0.1', 1, 'http', 'c', NO_LIMIT)
  const about = { router, access: IGNORED, visitor: from, serverName: undefined, responseTimeoutMs: 0 }
  const options = { ...about, leastBodyRate: 0, isScarce: () => false }
  serveUpgrade(options, new IncomingRequest('POST', '/', 1, fields), socket, Buffer.alloc(0))
  const come = { bytes: 0, isWilling: true, handler: undefined as ChannelHandler | undefined }
  const open: LiveTunnel['open'] = (_head, _end, handler) => {
    come.handler = handler
    const channel = channelStub({ kind: 'http', reset: () => {} })
    return Object.assign(channel, {
      write: (chunk: Buffer) => {
        come.bytes += chunk.length
        return come.isWilling
      },
    })
  }
  const connectNothing = () => {
    throw new Error('only requests come')
  }
  const tunnel: LiveTunnel = {
    ...{ name: 'app', affinity: { machineId: 'machine', kind: 'http', target: '3000' }, isNearlyFull: false },
    ...{ isShort: false, isPaused: false, idleTimeoutMs: 0, replyFactor: undefined, allows: () => true, open },
    ...{ connect: connectNothing, noteShort: () => {} },
  }
  return { visitor, socket, come, online: () => tell({ state: 'online', tunnel }) }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${WAIT_MS} ms`)
    await new Promise(setImmediate)
  }
}

test('D9: the body of an upgrade waits for its client, within bounds, then passes whole and no further', async t => {
  const { visitor, socket, come, online } = await waiting(t)
  visitor.write(Buffer.alloc(LENGTH, 'b'))
  visitor.write('early')
  await until(() => socket.isPaused())
  assert.equal(come.bytes, 0)
  come.isWilling = false
  online()
  assert.ok(come.bytes > 0 && come.bytes < LENGTH)
  await until(() => socket.isPaused())
  come.isWilling = true
  come.handler?.onDrain?.()
  await until(() => come.bytes === LENGTH)
  // What follows is for the other protocol, once there is one.
  await new Promise(setImmediate)
  assert.equal(come.bytes, LENGTH)
  come.handler?.onHead?.({ status: 101, reason: 'UPGRADED', headers: [], upgrade: 'tcp' }, false)
  const [answer] = await once(visitor, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 101 UPGRADED\r\n/)
  await until(() => come.bytes === LENGTH + 'early'.length)
})
