// A connection of HTTP/1 over real sockets, with the clock by hand and a tunnel that a test makes.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Channel } from '@pbt/proto'
import type { LiveTunnel } from '../../relay/registry.ts'
import { type Visitor, visitorOf } from '../fields/headers.ts'
import { Http1Connection } from '../http1/http1-connection.ts'
import { Router } from '../router.ts'
import { IGNORED, NO_LIMIT } from './access.ts'

export const REQUEST = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n'

export const UPGRADE = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

function tunnelWith(open: LiveTunnel['open'], isNearlyFull = false): LiveTunnel {
  const connect = () => {
    throw new Error('only requests come')
  }
  const affinity = { machineId: 'machine', kind: 'http', target: '3000' }
  const limits = { isNearlyFull, isShort: isNearlyFull, isPaused: false, idleTimeoutMs: 0, replyFactor: undefined }
  return { name: 'test', affinity, ...limits, allows: () => true, open, connect, noteShort: () => {} }
}

/** A channel that takes what `takes` says and notes its reset. */
export function channelThat(takes: () => boolean) {
  const channel = { resets: [] as string[], bytes: 0 }
  const open: LiveTunnel['open'] = (_head, _end, handler) => {
    const fake: Channel = {
      ...{
        id: 1,
        kind: 'http',
        visitor: '203.0.113.7:50123',
        openedAt: 0,
        handler,
        isOpen: true,
        isAnnounced: true,
        isEnded: false,
        bytesSent: 0,
        bytesReceived: 0,
        countedSent: 0,
        countedReceived: 0,
      },
      write: chunk => {
        channel.bytes += chunk.length
        return takes()
      },
      reset: code => channel.resets.push(code),
      ...{ sendHead: () => {}, sendDatagram: () => true, sendTrailers: () => {}, end: () => {}, consumed: () => {} },
    }
    return fake
  }
  return { channel, open }
}

/** A connection of an edge that knows no tunnel, its visitor's socket, and what the visitor got. */
export async function visited(t: TestContext, open?: LiveTunnel['open'], isNearlyFull = false, use = NO_LIMIT) {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => socket.destroy())
  t.after(() => {
    visitor.destroy()
    socket.destroy()
    server.close()
  })
  const state = { tick: 0, isDraining: false, isScarce: false, text: '' }
  visitor.on('data', chunk => {
    state.text += chunk.toString('latin1')
  })
  const ended = once(visitor, 'close')
  const router = new Router({
    baseDomain: 'localhost',
    tunnels: {
      lookup: () =>
        open === undefined ? { state: 'unknown' } : { state: 'online', tunnel: tunnelWith(open, isNearlyFull) },
      whenKnown: () => undefined,
    },
    covers: () => true,
    limits: { isMemoryShort: false },
  })
  const options = {
    router,
    visitorBehind: (visitor: Visitor) => visitor,
    visitorOf: (each: Socket) => visitorOf(each.remoteAddress, each.remotePort, 'http', 'c', use),
    serverNameOf: () => undefined,
    responseTimeoutMs: 0,
    leastBodyRate: 1_000,
    isScarce: () => state.isScarce,
    isDraining: () => state.isDraining,
    access: IGNORED,
    tick: () => state.tick,
  }
  const connection = new Http1Connection(socket, options, 0, () => {})
  const pass = (ticks: number) => {
    for (let count = 0; count < ticks; count++) connection.tick(++state.tick)
  }
  const arrived = async (text: string) => {
    visitor.write(text)
    await once(socket, 'data')
  }
  const answered = async (times: number) => {
    while ((state.text.match(/HTTP\/1\.1 404/g)?.length ?? 0) < times) await once(visitor, 'data')
  }
  return { visitor, socket, state, ended, pass, arrived, answered }
}
