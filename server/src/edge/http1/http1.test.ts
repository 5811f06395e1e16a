// Idle connections are ended by a clock, and requests come when they like: real sockets.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { type Visitor, visitorOf } from '../fields/headers.ts'
import { Router } from '../router.ts'
import { IGNORED, NO_LIMIT } from '../testing/access.ts'
import { Http1 } from './http1.ts'

/** Only a failure ever waits for it. */
const ANSWER_MS = 60_000
const REQUEST = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n'

test('H6: a request that has come before an idle connection is ended is answered, also when the process was busy', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let isDraining = false
  const http1 = new Http1({
    router: new Router({
      baseDomain: 'localhost',
      tunnels: { lookup: () => ({ state: 'unknown' }), whenKnown: () => undefined },
      covers: () => true,
      limits: { isMemoryShort: false },
    }),
    visitorBehind: (visitor: Visitor) => visitor,
    visitorOf: (each: Socket) => visitorOf(each.remoteAddress, each.remotePort, 'http', 'c', NO_LIMIT),
    serverNameOf: () => undefined,
    responseTimeoutMs: 0,
    leastBodyRate: 0,
    isScarce: () => false,
    isDraining: () => isDraining,
    access: IGNORED,
  })
  const server = createServer({ allowHalfOpen: true }, socket => http1.accept(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => {
    visitor.destroy()
    http1.close()
    server.close()
  })
  let text = ''
  visitor.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  const answers = async (count: number) => {
    while (text.split('HTTP/1.1 404').length <= count) {
      await once(visitor, 'data', { signal: AbortSignal.timeout(ANSWER_MS) })
    }
  }
  visitor.write(REQUEST)
  await answers(1)
  isDraining = true
  for (let second = 0; second < 2; second++) {
    t.mock.timers.tick(1_000)
    await new Promise(setImmediate)
  }
  // From within a timer, as the clock's own: what the visitor has sent is in the system and not yet read.
  setTimeout(() => {
    visitor.write(REQUEST)
    t.mock.timers.tick(1_000)
  }, 1)
  await answers(2)
})
