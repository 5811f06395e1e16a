// Valid traffic of each role, mutated: whatever a peer sends, the other end stays whole and says why it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { Channel } from '../channel/channel.ts'
import type { PbtError } from '../errors.ts'
import { MAX_BATCH_FRAMES, MIB } from '../limits.ts'
import { Mux } from '../mux.ts'
import type { SessionFrame } from '../mux-handler.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import {
  CloseTunnelSchema,
  OpenTunnelSchema,
  StartTunnelSchema,
  TargetHealthSchema,
  TokenTakenSchema,
} from '../tunnel-v1.ts'
import { type Batch, bufferOf } from './encode.ts'
import type { ChannelOpen } from './heads.ts'

type Role = 'server' | 'client'

const FRAMES = 100_000
const CODES = ['protocol', 'flow-control', 'limit']
/** Far above what any one of the short sessions may hold. */
const MAX_HELD_BYTES = 40 * MIB

/** The same numbers for the same seed, so that a failure can be had again. */
function randomOf(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Random = ReturnType<typeof randomOf>

/** Channels of one end, each with what its owner was told. */
class Owner {
  readonly open = new Set<Channel>()
  ends = 0
  private readonly random: Random

  constructor(random: Random) {
    this.random = random
  }

  take(channel: Channel): void {
    this.open.add(channel)
    let isOver = false
    let isEnded = false
    const over = (why: string) => {
      assert.ok(!isOver, `channel ${channel.id} was told twice that it is over (${why})`)
      isOver = true
      this.ends++
    }
    channel.handler = {
      onHead: () => assert.ok(!isOver && !isEnded),
      onData: chunk => {
        assert.ok(!isOver && !isEnded, 'data after the end')
        // Some owners never read.
        if (channel.id % 5 !== 0) channel.consumed(chunk.length)
      },
      onDatagram: () => assert.ok(!isOver && !isEnded),
      onTrailers: () => assert.ok(!isOver && !isEnded),
      onEnd: () => {
        assert.ok(!isOver && !isEnded, 'two ends')
        isEnded = true
      },
      onReset: () => {
        over('reset')
        this.open.delete(channel)
      },
    }
  }

  /** Something that an honest owner does. */
  act(): void {
    const { random } = this
    for (const channel of this.open) {
      if (!channel.isOpen) {
        this.open.delete(channel)
        continue
      }
      if (random(3) > 0) continue
      switch (random(8)) {
        case 0:
          channel.sendHead({ status: random(2) === 0 ? 200 : 103, reason: 'OK', headers: ['a', 'b'], upgrade: '' })
          break
        case 1:
          channel.sendDatagram(Buffer.alloc(random(300)))
          break
        case 2:
          channel.end()
          break
        case 3:
          channel.sendTrailers(['x', 'y'])
          break
        case 4:
          channel.reset('cancelled', 'enough')
          break
        default:
          channel.write(Buffer.alloc(1 + random(3000)))
      }
    }
  }
}

function openOf(random: Random): ChannelOpen {
  const place = { tunnel: 1 + random(2), visitor: '192.0.2.1:9', local: '' }
  switch (random(3)) {
    case 0:
      return { kind: 'tcp', ...place }
    case 1:
      return { kind: 'udp', ...place }
    default:
      return {
        kind: 'http',
        head: {
          ...place,
          method: 'POST',
          target: '/x',
          headers: ['host', 'a', 'x-long', 'v'.repeat(200)],
          upgrade: '',
          connection: 'c1',
        },
      }
  }
}

function sessionFrameOf(random: Random): SessionFrame {
  const tunnel = random(9)
  switch (random(5)) {
    case 0:
      return { case: 'openTunnel', value: create(OpenTunnelSchema, { tunnel, target: '3000', ownerAsked: true }) }
    case 1:
      return { case: 'tokenTaken', value: create(TokenTakenSchema, { id: 7n, notStored: 'no' }) }
    case 2:
      return { case: 'startTunnel', value: create(StartTunnelSchema, { name: 'app' }) }
    case 3:
      return {
        case: 'targetHealth',
        value: create(TargetHealthSchema, { tunnel, state: 2, sinceMs: 5n, message: 'x' }),
      }
    default:
      return { case: 'closeTunnel', value: create(CloseTunnelSchema, { tunnel }) }
  }
}

/** Two ends; what the hostile one says passes through `mutate`. Returns the frames that came and how it ended. */
function run(victimRole: Role, random: Random, mutate: (batches: Buffer[]) => Buffer[]) {
  const pair = pairOf(victimRole, random)
  const { victim, clock } = pair
  let frames = 0
  for (let round = 0; round < 30 && !victim.isClosed; round++) {
    talk(pair, random)
    clock.advance(6)
    for (const batch of mutate(pair.waiting.splice(0))) {
      frames += countFrames(batch)
      assert.doesNotThrow(() => victim.receive(batch))
      clock.settle()
    }
    const { unackedBytes, queuedBytes } = victim.stats
    assert.ok(unackedBytes + queuedBytes < MAX_HELD_BYTES, `holds ${unackedBytes + queuedBytes} bytes`)
  }
  return { frames, code: endOf(pair) }
}

type Pair = ReturnType<typeof pairOf>

/** What the peer says to the victim waits, so that it can be changed. */
function pairOf(victimRole: Role, random: Random) {
  const clock = new FakeClock()
  const violations: PbtError[] = []
  const owners = { server: new Owner(random), client: new Owner(random) }
  const muxOf = (role: Role) =>
    new Mux({
      role,
      clock,
      handler: {
        onOpen: channel => owners[role].take(channel),
        onSessionFrame: (_frame: SessionFrame) => {},
        onLinkSilent: () => {},
        onViolation: error => {
          if (role === victimRole) violations.push(error)
        },
      },
    })
  const muxes = { server: muxOf('server'), client: muxOf('client') }
  const peerRole: Role = victimRole === 'server' ? 'client' : 'server'
  const [victim, peer] = [muxes[victimRole], muxes[peerRole]]
  const waiting: Buffer[] = []
  peer.attach(
    linkOf(clock, batch => waiting.push(batch)),
    0,
  )
  victim.attach(
    linkOf(clock, batch => peer.receive(batch)),
    0,
  )
  const [victimOwner, peerOwner] = [owners[victimRole], owners[peerRole]]
  return {
    clock,
    violations,
    server: muxes.server,
    serverOwner: owners.server,
    victim,
    victimOwner,
    peer,
    peerOwner,
    waiting,
  }
}

function linkOf(clock: FakeClock, deliver: (batch: Buffer) => void) {
  return {
    write: (batch: Batch, taken: () => void) => {
      const copy = Buffer.from(bufferOf(batch))
      clock.soon(() => {
        deliver(copy)
        taken()
      })
    },
    close: () => {},
  }
}

/** Channels open, and both ends use them. */
function talk({ server, serverOwner, victimOwner, peer, peerOwner }: Pair, random: Random): void {
  if (!server.isClosed) {
    for (let count = random(4); count > 0; count--) {
      serverOwner.take(server.open(openOf(random), random(4) === 0, { onReset: () => {} }))
    }
  }
  peerOwner.act()
  if (random(3) === 0) victimOwner.act()
  peer.sendSessionFrame(sessionFrameOf(random))
}

/** Ends the victim, unless it has ended itself, and looks at whether it ended well. Its code, if it had a reason. */
function endOf({ victim, victimOwner, violations }: Pair): PbtError['code'] | undefined {
  const open = victim.stats.channels
  const told = victimOwner.ends
  victim.close('shutdown', 'the test is over')
  assert.equal(victim.stats.channels, 0)
  assert.equal(victimOwner.ends - told, violations.length > 0 ? 0 : open, 'who was open is told of the end')
  for (const { code } of violations) assert.ok(CODES.includes(code), `ended with ${code}`)
  assert.ok(violations.length <= 1)
  return violations[0]?.code
}

/** Frames in a batch as far as they can be told apart; at least one, since the rest was looked at too. */
function countFrames(batch: Buffer): number {
  let [count, at] = [0, 0]
  while (at + 1 < batch.length && count < MAX_BATCH_FRAMES) {
    const tag = batch[at++]
    let [length, shift] = [0, 0]
    for (; at < batch.length; shift += 7) {
      const byte = batch[at++] ?? 0
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    if (tag !== 0x1a) continue
    count++
    at += length
  }
  return Math.max(1, count)
}

const MUTATIONS: Readonly<Record<string, (batch: Buffer, random: Random, others: readonly Buffer[]) => Buffer[]>> = {
  flip: (batch, random) => {
    const copy = Buffer.from(batch)
    for (let hits = 1 + random(4); hits > 0 && copy.length > 0; hits--) copy[random(copy.length)] = random(256)
    return [copy]
  },
  truncate: (batch, random) => [batch.subarray(0, random(batch.length))],
  splice: (batch, random, others) => {
    const other = others[random(others.length)] ?? batch
    return [Buffer.concat([batch.subarray(0, random(batch.length)), other.subarray(random(other.length))])]
  },
  twice: batch => [batch, batch],
  lose: () => [],
  grow: (batch, random) => [Buffer.concat([batch, ...Array<Buffer>(1 + random(300)).fill(batch)])],
  junk: (_batch, random) => [Buffer.from(Array.from({ length: random(200) }, () => random(256)))],
  keep: batch => [batch],
}

for (const role of ['server', 'client'] as const) {
  test(`${FRAMES} mutated frames at the ${role}: it never throws, holds little and ends with a code`, () => {
    const random = randomOf(role === 'server' ? 20_261_124 : 42)
    const names = Object.keys(MUTATIONS)
    const seen = new Map<string, number>()
    let frames = 0
    while (frames < FRAMES) {
      // Some sessions are changed all the time, others once in a while, so that faults meet states of every kind.
      const rarity = 1 + random(60)
      const result = run(role, random, batches => {
        if (batches.length > 1 && random(rarity) === 0) batches.reverse()
        return batches.flatMap(batch => {
          const mutation = random(rarity) === 0 ? MUTATIONS[names[random(names.length)] ?? 'keep'] : MUTATIONS.keep
          return mutation?.(batch, random, batches) ?? [batch]
        })
      })
      frames += result.frames
      seen.set(result.code ?? 'none', (seen.get(result.code ?? 'none') ?? 0) + 1)
    }
    // It is of no use if all sessions end, or none does, or always for the same reason.
    assert.ok((seen.get('protocol') ?? 0) > 10 && (seen.get('none') ?? 0) > 10, JSON.stringify([...seen]))
  })
}
