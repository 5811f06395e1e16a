// Clients that send more than they may: their session ends with a code, in bounded memory, and no other notices.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KIB, MAX_BATCH_FRAMES, MIB } from '@pbt/proto'
import { Reason } from '@pbt/proto/tunnel/v1'
import { asked, withClient } from '../support/beside.ts'
import { batchOf, type FrameInit, grpcMessage } from '../support/handmade-link.ts'
import { type HostilePeer, hostilePeer } from '../support/hostile-peer.ts'
import { watchMemory } from '../support/streams.ts'

/** What one peer may make the server hold: its window of 32 MiB, and what is made of it before the collector comes. */
const GROWTH_BYTES = 160 * MIB

type Flood = (peer: HostilePeer, channel: bigint) => void

const data = (value: Buffer) => ({ case: 'data', value }) as const

/** Full batches in one go, with enough frames for each limit even if some of the allowance comes back meanwhile. */
function flood(frame: (channel: bigint, index: number) => FrameInit, batches = 24): Flood {
  return (peer, channel) => {
    const frames = Array.from({ length: MAX_BATCH_FRAMES }, (_, index) => frame(channel, index))
    const messages = Array.from({ length: batches }, () => grpcMessage(batchOf(peer.number++, peer.received, frames)))
    peer.stream.write(Buffer.concat(messages))
  }
}

/** The visitor of the channel reads nothing: all that comes for it has to stay within the credit. */
const FLOODS: readonly [name: string, reason: Reason, flood: Flood][] = [
  [
    '25 MiB on a channel with 256 KiB of credit',
    Reason.FLOW_CONTROL,
    (peer, channel) => {
      for (let sent = 0; sent < 400; sent++) peer.say({ channel, body: data(Buffer.alloc(64 * KIB)) })
    },
  ],
  [
    'more credit at once than any window has',
    Reason.FLOW_CONTROL,
    (peer, channel) => peer.say({ channel, body: { case: 'credit', value: 2n ** 40n } }),
  ],
  [
    'credit that adds up to more',
    Reason.FLOW_CONTROL,
    (peer, channel) => {
      for (let count = 0; count < 64; count++) peer.say({ channel, body: { case: 'credit', value: BigInt(MIB) } })
    },
  ],
  ['empty data', Reason.LIMIT, flood(channel => ({ channel, body: data(Buffer.alloc(0)) }))],
  ['frames without a body', Reason.LIMIT, flood(channel => ({ channel }))],
  ['grants of nothing', Reason.LIMIT, flood(channel => ({ channel, body: { case: 'credit', value: 0n } }))],
  ['pings', Reason.LIMIT, flood(() => ({ body: { case: 'ping', value: { id: 1n } } }))],
  [
    'tunnels closed and closed',
    Reason.LIMIT,
    flood((_, index) => ({ body: { case: 'closeTunnel', value: { tunnel: index } } }), 1),
  ],
  [
    'more frames than a batch has',
    Reason.PROTOCOL,
    (peer, channel) => peer.say(...Array.from({ length: MAX_BATCH_FRAMES + 1 }, () => ({ channel }))),
  ],
  [
    'messages without a byte',
    Reason.LIMIT,
    peer => {
      const many = Buffer.concat(Array.from({ length: 10_000 }, () => grpcMessage(Buffer.alloc(0))))
      for (let count = 0; count < 10; count++) peer.stream.write(many)
    },
  ],
  [
    'acknowledgements of nothing new',
    Reason.LIMIT,
    peer => {
      const many = Buffer.concat(Array.from({ length: 10_000 }, () => grpcMessage(batchOf(0, 1, []))))
      for (let count = 0; count < 10; count++) peer.stream.write(many)
    },
  ],
]

test('G4: credit exceeded and floods of frames end the session, in bounded memory', async t => {
  const { server, isWell } = await withClient(t)
  const memory = watchMemory([server.program.pid])
  for (const [name, reason, begin] of FLOODS) {
    const peer = await hostilePeer(t, server)
    await peer.open('app', { clientId: 'bad' })
    const { channel, visitor } = await asked(t, server, peer)
    visitor.socket.pause()
    peer.say({ channel, body: { case: 'httpResponse', value: { status: 200 } } })
    begin(peer, channel)
    const { reason: why, message } = await peer.goAway()
    assert.equal(why, reason, `${name}: ${message}`)
    await isWell()
    await peer.over()
    peer.cut()
    visitor.socket.destroy()
  }
  const [growth = 0] = memory.growth()
  assert.ok(growth < GROWTH_BYTES, `the server grew by ${Math.round(growth / MIB)} MiB`)
})
