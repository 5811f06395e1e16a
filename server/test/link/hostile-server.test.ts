// A server that breaks the rules of the link: the client leaves it, comes back later, and dials nothing but its target.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { KIB, MAX_CHANNELS, MIB } from '@pbt/proto'
import { Reason } from '@pbt/proto/tunnel/v1'
import { batchOf, type FrameInit, grpcMessage } from '../support/handmade-link.ts'
import { type HostileCall, hostileServer } from '../support/hostile-server.ts'
import { mutated, seeded } from '../support/mutations.ts'
import { CLIENT, program, scratch } from '../support/programs.ts'
import { watchMemory } from '../support/streams.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'

/** What the server does with one call. The client has to end it. */
type Act = readonly [name: string, act: (call: HostileCall, canary: number) => unknown]

const TUNNEL = 1
const SEED = 20_261_124
/** What a server may make a client hold: 10,000 requests at once, each with its connection to the target. */
const GROWTH_BYTES = 192 * MIB

function get(target: string, tunnel = TUNNEL): FrameInit['body'] {
  const headers = [{ name: 'Host', value: Buffer.from('app.localhost') }]
  const value = { tunnel, method: 'GET', target: Buffer.from(target), headers, visitor: '192.0.2.1:1' }
  return { case: 'httpRequest', value }
}

/** Runs a client against the acts, one a call, then serves it honestly; fails unless it comes through. */
async function survives(t: TestContext, acts: readonly Act[]): Promise<void> {
  const asked: string[] = []
  const target = await httpTarget(t, ({ url = '' }, response) => {
    asked.push(url)
    response.end('well')
  })
  let strayed = 0
  const canary = await rawTarget(t, socket => {
    strayed++
    socket.destroy()
  })
  const done = Promise.withResolvers<void>()
  let calls = 0
  let memory: ReturnType<typeof watchMemory> | undefined
  const serve = async (call: HostileCall) => {
    memory ??= watchMemory([client.pid])
    const [name, act] = acts[calls++] ?? []
    if (act === undefined) {
      await call.open()
      call.say({ channel: 1n, end: true, body: get('/last') })
      assert.equal((await call.frame('httpResponse')).value.status, 200)
      assert.equal(String((await call.frame('data')).value), 'well')
      done.resolve()
      return
    }
    await act(call, canary)
    await call.over().catch((error: unknown) => Promise.reject(new Error(`the client bears ${name}`, { cause: error })))
  }
  const { port, ca } = await hostileServer(t, call => {
    serve(call).catch(done.reject)
  })
  const env = { PBT_HOME: join(scratch(t), 'client'), PBT_SERVER: `localhost:${port}`, PBT_TOKEN: 'any', PBT_CA: ca }
  const client = program(t, CLIENT, ['http', String(target), '--json'], env)
  await Promise.race([
    done.promise,
    client.exited.then(exit => assert.fail(`pbt ended with ${JSON.stringify(exit)}: ${client.stderr}`)),
  ])
  const [growth = 0] = memory?.growth() ?? []
  assert.ok(growth < GROWTH_BYTES, `pbt grew by ${Math.round(growth / MIB)} MiB`)
  const retries = client.events.filter(({ event }) => event === 'reconnecting')
  t.diagnostic(`grew by ${Math.round(growth / MIB)} MiB`)
  for (const { reason, retryInMs } of retries) t.diagnostic(`${retryInMs} ms: ${reason}`)
  assert.equal(retries.length, acts.length, 'a line for each try')
  assert.equal(strayed, 0, 'pbt dialled elsewhere')
  // Later ones come slower, whatever the server does; only the first loss after the first success is tried at once.
  const waits = retries.map(({ retryInMs }) => Number(retryInMs))
  for (const [index, wait] of waits.entries())
    assert.ok(index === 0 || wait >= 400 * 2 ** (index - 2), waits.join(', '))
}

const data = (value: Buffer) => ({ case: 'data', value }) as const
const NOTHING = grpcMessage(batchOf(0, 0, []))

/** Before the client has a session. */
const GREETINGS: readonly Act[] = [
  [
    'junk instead of a welcome',
    call => {
      call.accept()
      call.send(Buffer.from('junk'))
    },
  ],
  [
    'a welcome to a session that never was',
    call => {
      call.accept()
      call.welcome({ resumed: true, received: 2n ** 64n - 1n })
    },
  ],
  [
    'a message over the limit',
    call => {
      call.accept()
      call.write(grpcMessage(Buffer.alloc(300 * KIB)))
    },
  ],
  [
    'a bomb that unfolds a thousandfold',
    call => {
      call.stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-encoding': 'gzip' })
      call.write(grpcMessage(gzipSync(Buffer.alloc(100 * MIB)), 1))
    },
  ],
  [
    'a page of the web',
    call => {
      call.stream.respond({ ':status': 404, 'content-type': 'text/html' })
      call.stream.end('<h1>Not Found</h1>')
    },
  ],
]

/** With the tunnel served, so that it is the session that the server breaks. */
function served(act: (call: HostileCall, canary: number) => unknown): Act[1] {
  return async (call, canary) => {
    await call.open()
    await act(call, canary)
  }
}

const WORDS: readonly Act[] = [
  ['junk', served(call => call.send(Buffer.from('junk')))],
  ['the welcome again', served(call => call.welcome())],
  ['an acknowledgement of what was never sent', served(call => call.send(batchOf(0, 1_000, [])))],
  [
    'a batch twice',
    served(call => {
      for (let count = 0; count < 2; count++) call.send(batchOf(5, 0, []))
    }),
  ],
  [
    'new tokens that fit into no header',
    served(call => call.say({ body: { case: 'newToken', value: { token: 'a\r\nb' } } })),
  ],
]

const FLOODS: readonly Act[] = [
  ['empty batches for ever', served(call => call.flood(Buffer.concat(Array(10_000).fill(NOTHING))))],
  [
    'channels without end',
    served(async call => {
      for (let id = 1; id <= MAX_CHANNELS + 1_000; id += 1_000) {
        call.say(...Array.from({ length: 1_000 }, (_, index) => ({ channel: BigInt(id + index), body: get('/hang') })))
      }
      await call.over()
    }),
  ],
  [
    'a body beyond the credit',
    served(call => {
      call.say({ channel: 1n, body: get('/hang') })
      for (let sent = 0; sent < 400; sent++) call.say({ channel: 1n, body: data(Buffer.alloc(64 * KIB)) })
    }),
  ],
  [
    'more credit than any window has',
    served(call => {
      call.say({ channel: 1n, body: get('/hang') })
      call.say({ channel: 1n, body: { case: 'credit', value: 2n ** 40n } })
    }),
  ],
  [
    'frames with octets changed',
    served(async call => {
      const random = seeded(SEED)
      for (let number = 1; number < 5_000 && !call.isOver; number++) {
        const channel = BigInt(1 + random(number))
        const bodies: FrameInit[] = [
          { channel, body: get('/mutated') },
          { channel, body: data(Buffer.alloc(random(100))) },
          { channel, end: true },
          { channel, body: { case: 'credit', value: 1_000n } },
          { channel, body: { case: 'reset', value: { reason: Reason.CANCELLED } } },
          { body: { case: 'ping', value: { id: 1n } } },
        ]
        call.send(mutated(random, batchOf(number, 1, [bodies[random(bodies.length)] ?? {}])))
        await new Promise(setImmediate)
      }
    }),
  ],
]

/** All that a server can say of where to connect. The client answers with what its target says, or not at all. */
const ELSEWHERE: readonly Act[] = [
  [
    'requests for another target',
    served(async (call, canary) => {
      const other = `127.0.0.1:${canary}`
      const targets = [`http://${other}/`, other, `//${other}/`, `/@${other}`, '*']
      const odd: FrameInit['body'][] = [
        ...targets.map(target => get(target)),
        get('/', 2),
        get('/', 0),
        get('/', 2 ** 32 - 1),
        { case: 'tcpOpen', value: { tunnel: TUNNEL, visitor: other, local: other } },
        { case: 'udpOpen', value: { tunnel: TUNNEL, visitor: other, local: other } },
        { case: 'tcpOpen', value: { tunnel: 0, visitor: other, local: other } },
        {
          case: 'httpRequest',
          value: { tunnel: TUNNEL, method: 'CONNECT', target: Buffer.from(other), visitor: other },
        },
        {
          case: 'httpRequest',
          value: {
            tunnel: TUNNEL,
            method: 'GET',
            target: Buffer.from('/'),
            headers: [
              { name: 'Host', value: Buffer.from(other) },
              { name: 'Forwarded', value: Buffer.from(`host=${other}`) },
            ],
          },
        },
      ]
      for (const [index, body] of odd.entries()) call.say({ channel: BigInt(index + 1), end: true, body })
      call.say({ body: { case: 'openTunnel', value: { tunnel: 9, kind: 2, target: other } } })
      call.say({ body: { case: 'tunnelOpened', value: { tunnel: TUNNEL, name: 'x', urls: [`https://${other}`] } } })
      // The last of the requests above goes to the target.
      await call.frame('httpResponse')
      call.say({ body: { case: 'goodbye', value: {} } })
      call.stream.close()
    }),
  ],
]

describe('a hostile server', { concurrency: true }, () => {
  test('G2: a server that greets wrongly is left and tried again', async t => {
    await survives(t, GREETINGS)
  })

  test('G2: a server that breaks the protocol is left and tried again', async t => {
    await survives(t, WORDS)
  })

  test('G4: a server that floods is left, in bounded memory, and tried again', async t => {
    await survives(t, FLOODS)
  })

  test('G10: a server that asks for another target gets nothing from anywhere else', async t => {
    await survives(t, ELSEWHERE)
  })
})
