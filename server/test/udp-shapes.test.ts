// Honest traffic whose answers are many times what asks for them, in the sizes and order of the real protocols: what of it
// passes with the bound that holds by default, and what needs another. bench/tools.ts does it with WireGuard and QUIC themselves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Account, ask, droppedDatagrams, LOST_MS, udpSocket, udpTarget } from './support/datagrams.ts'
import { startClient, startServer } from './support/programs.ts'

const EXTRA_BYTES = 64 * 1024
const FACTOR = 60
/** Datagrams under way: what a socket's buffer holds everywhere. */
const UNDER_WAY = 40
const MARK = Buffer.from('mark')

/** How a visitor's datagrams are answered; all sizes are of UDP payload. */
interface Shape {
  readonly what: string
  /** What the visitor sends first, and how many datagrams come for it all. */
  readonly opening: { readonly asks: readonly number[]; readonly answers: number }
  /** Each of the visitor's further datagrams, and what is sent when it comes. */
  readonly ask: number
  readonly answer: number
  readonly answers: number
  /** While less than this is under way each acknowledgement brings twice as many: what TCP and QUIC begin with. */
  readonly startUntil: number
  readonly bytes: number
  /** Undefined: the default does. */
  readonly factor?: number
}

/** A handshake, the packets of a TCP connection with its request; ten packets at first (RFC 6928). An inner packet of 1,420. */
const WIREGUARD = { opening: { asks: [148, 96, 96, 288], answers: 10 }, answer: 1_452 }
/** Initial and Handshake, padded, then the request. */
const QUIC = { opening: { asks: [1_252, 1_252, 200], answers: 10 }, answer: 1_252 }
const MIB = 1024 * 1024

const SHAPES: readonly Shape[] = [
  {
    what: 'a WireGuard download, an acknowledgement for each 2 packets, up to 4 MiB under way',
    ...WIREGUARD,
    ...{ ask: 96, answers: 2, startUntil: 4 * MIB, bytes: 16 * MIB },
  },
  {
    what: 'a WireGuard download, an acknowledgement for each 10 packets, as from a kernel that joins them',
    ...WIREGUARD,
    ...{ ask: 96, answers: 10, startUntil: 4 * MIB, bytes: 16 * MIB, factor: 320 },
  },
  {
    what: 'a QUIC download, an acknowledgement for each 2 packets',
    ...QUIC,
    ...{ ask: 34, answers: 2, startUntil: 4 * MIB, bytes: 16 * MIB, factor: 160 },
  },
  {
    what: 'a QUIC download, an acknowledgement for each 10 packets',
    ...QUIC,
    ...{ ask: 34, answers: 10, startUntil: 4 * MIB, bytes: 16 * MIB, factor: 800 },
  },
  {
    what: 'a page of 200 KB over QUIC, an acknowledgement for each 10 packets',
    ...QUIC,
    ...{ ask: 34, answers: 10, startUntil: 4 * MIB, bytes: 200_000 },
  },
  ...[20, 64, 128].map(ticks => ({
    what: `two minutes of a game of ${ticks} ticks, a full datagram for each of the player's`,
    ...{ opening: { asks: [25, 25], answers: 4 }, ask: 60, answer: 1_200, answers: 1, startUntil: 0 },
    bytes: 120 * ticks * 1_200,
  })),
  {
    what: 'two minutes of a game of 128 ticks whose player sends 32 times a second',
    ...{ opening: { asks: [25, 25], answers: 4 }, ask: 60, answer: 800, answers: 4, startUntil: 0 },
    bytes: 120 * 128 * 800,
  },
  {
    what: 'a call with a picture: 2.5 Mbit/s for reports of 100 bytes, and the other side is mute',
    ...{ opening: { asks: [100, 100], answers: 2 }, ask: 100, answer: 1_100, answers: 5, startUntil: 0 },
    bytes: 16 * MIB,
  },
]

/** How many datagrams answer this one of the visitor's, by what was sent before. */
function answersOf(shape: Shape): (index: number) => number {
  const { opening, answer, answers, startUntil } = shape
  const first = opening.asks.length
  const perStart = answers * answer
  return index => {
    if (index < first - 1) return 0
    if (index === first - 1) return opening.answers
    return (index - first + 1) * perStart < startUntil ? 2 * answers : answers
  }
}

/** The visitor's nth datagram: its number, then as long as it should be. */
function askOf({ opening, ask }: Shape, index: number): Buffer {
  const datagram = Buffer.alloc(Math.max(4, opening.asks[index] ?? ask))
  datagram.writeUInt32BE(index)
  return datagram
}

for (const shape of SHAPES) {
  const needs = shape.factor === undefined ? '' : `, with --reply-factor ${shape.factor}`
  test(`F11: ${shape.what}: nothing is dropped${needs}`, async t => {
    const countOf = answersOf(shape)
    const reply = Buffer.alloc(shape.answer)
    const target = await udpTarget(t, datagram =>
      datagram.equals(MARK) ? [MARK] : new Array<Buffer>(countOf(datagram.readUInt32BE(0))).fill(reply),
    )
    const metrics = 10_000 + Math.floor(Math.random() * 10_000)
    const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
    const tunnel = async (factor?: number) => {
      const option = factor === undefined ? [] : ['--reply-factor', String(factor)]
      return (await startClient(t, server, ['udp', String(target.port), ...option])).port
    }
    const visitor = new Account(await udpSocket(t, '127.0.1.1'))
    await whole(shape, visitor, await tunnel(shape.factor))
    assert.equal(await droppedDatagrams(metrics), 0)
    if (shape.factor === undefined) assert.ok(visitor.received <= EXTRA_BYTES + FACTOR * visitor.sent)
    else {
      const bounded = new Account(await udpSocket(t, '127.0.1.2'))
      const mark = async (port: number) => await ask(await udpSocket(t, '127.0.1.3'), port, MARK)
      await asFarAsItMay(shape, bounded, await tunnel(), mark)
      assert.ok(bounded.received <= EXTRA_BYTES + FACTOR * bounded.sent)
      assert.ok((await droppedDatagrams(metrics)) > 0)
    }
  })
}

/** The whole of it, with as much under way as a socket holds; fails when something does not come. */
async function whole(shape: Shape, visitor: Account, port: number): Promise<void> {
  const countOf = answersOf(shape)
  let [asked, awaited] = [0, 0]
  const deadline = AbortSignal.timeout(6 * LOST_MS)
  const next = () => {
    while (awaited - visitor.datagrams < UNDER_WAY && awaited * shape.answer < shape.bytes) {
      visitor.send(askOf(shape, asked), port)
      awaited += countOf(asked++)
    }
  }
  await new Promise<void>((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Error(`${visitor.datagrams} of ${awaited} datagrams came`)))
    visitor.socket.on('message', () => {
      next()
      if (visitor.datagrams === awaited) resolve()
    })
    next()
  })
}

/** Some hundreds of its datagrams, where not all of what answers them may come. */
async function asFarAsItMay(shape: Shape, visitor: Account, port: number, mark: (port: number) => Promise<unknown>) {
  for (let index = 0; index < 400; index++) {
    visitor.send(askOf(shape, index), port)
    if (index % 4 === 0) await mark(port)
  }
}
