// Honest traffic whose answers are many times what asks for them, in the sizes and order of the real protocols: what of it passes
// by default, and what needs another bound. bench/tools.ts does it with WireGuard and QUIC themselves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Account, ask, droppedDatagrams, LOST_MS, udpSocket, udpTarget } from '../support/datagrams.ts'
import { numberOf, type Protocol, plain, quic, wireguard } from '../support/handshaking.ts'
import { lastingPort } from '../support/ports.ts'
import { startServer } from '../support/programs.ts'
import { shared, startTunnels } from '../support/shared.ts'

const EXTRA_BYTES = 64 * 1024
const FACTOR = 60
/** Datagrams under way: what a socket's buffer holds everywhere. */
const UNDER_WAY = 40
const MARK = Buffer.from('mark')

/** How a visitor's datagrams are answered; all sizes are of UDP payload. */
interface Shape {
  readonly what: string
  /** Undefined: one without a handshake. */
  readonly protocol?: () => Protocol
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

const MIB = 1024 * 1024
const DOWNLOAD = { startUntil: 4 * MIB, bytes: 16 * MIB }
/** A handshake, the packets of a TCP connection with its request; ten packets at first (RFC 6928). An inner packet of 1,420. */
const WIREGUARD = { opening: { asks: [148, 96, 96, 288], answers: 10 }, ask: 96, answer: 1_452, ...DOWNLOAD }
/** Initial and Handshake, padded, then the request. */
const QUIC = { opening: { asks: [1_252, 1_252, 200], answers: 10 }, ask: 34, answer: 1_252, ...DOWNLOAD }

const SHAPES: readonly Shape[] = [
  ...[2, 10].flatMap(answers => [
    {
      what: `a WireGuard download, an acknowledgement for each ${answers} packets`,
      protocol: wireguard,
      ...WIREGUARD,
      answers,
    },
    { what: `a QUIC download, an acknowledgement for each ${answers} packets`, protocol: quic, ...QUIC, answers },
    {
      what: `a QUIC download of a visitor that changes its id at once, an acknowledgement for each ${answers} packets`,
      protocol: () => quic(false),
      ...QUIC,
      answers,
    },
  ]),
  {
    what: 'a download in WireGuard behind something that hides it, an acknowledgement for each 2 packets',
    ...WIREGUARD,
    answers: 2,
  },
  {
    what: 'the same, an acknowledgement for each 10 packets, as from a kernel that joins them',
    ...WIREGUARD,
    ...{ answers: 10, factor: 320 },
  },
  {
    what: 'a download in a protocol with acknowledgements of 34 bytes, for each 2 packets',
    ...QUIC,
    ...{ answers: 2, factor: 160 },
  },
  {
    what: 'the same, for each 10 packets',
    ...QUIC,
    ...{ answers: 10, factor: 800 },
  },
  {
    what: 'a page of 200 KB in such a protocol, an acknowledgement for each 10 packets',
    ...QUIC,
    ...{ answers: 10, bytes: 200_000 },
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
    if (index < first - 1) return index === 0 && shape.protocol !== undefined ? 1 : 0
    if (index === first - 1) return opening.answers
    return (index - first + 1) * perStart < startUntil ? 2 * answers : answers
  }
}

/** A target for each shape, with a tunnel that has its factor and, for those that need one, another that has not. */
const house = shared(async t => {
  const metrics = await lastingPort()
  const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  const protocols = SHAPES.map(shape => shape.protocol?.() ?? plain)
  const targets = await Promise.all(
    SHAPES.map(async (shape, at) => {
      const protocol = protocols[at] ?? plain
      const countOf = answersOf(shape)
      return await udpTarget(t, datagram => {
        if (datagram.equals(MARK)) return [MARK]
        const index = numberOf(datagram)
        if (index === 0 && shape.protocol !== undefined) return [protocol.answer(datagram)]
        return new Array<Buffer>(countOf(index)).fill(protocol.data(shape.answer))
      })
    }),
  )
  const specs = targets.map(({ port }) => `udp:${port}`)
  const fitting = SHAPES.map(({ factor }, at) => `${specs[at]}${factor === undefined ? '' : `,reply-factor=${factor}`}`)
  const { ports } = await startTunnels(t, server, [...fitting, ...specs])
  return { metrics, protocols, fitting: ports, byDefault: ports.slice(SHAPES.length) }
})

for (const [at, shape] of SHAPES.entries()) {
  const needs = shape.factor === undefined ? '' : `, with --reply-factor ${shape.factor}`
  test(`F11: ${shape.what}: nothing is dropped${needs}`, async t => {
    const { metrics, protocols, fitting, byDefault } = await house()
    const protocol = protocols[at] ?? plain
    // What one source has had is remembered for all of the server's ports.
    const sourceOf = (number: number) => udpSocket(t, `127.0.${10 + at}.${number}`)
    const [port = 0, bounding = 0] = [fitting[at], byDefault[at]]
    const visitor = new Account(await sourceOf(1))
    await whole(shape, protocol, visitor, port)
    assert.equal(await droppedDatagrams(metrics, port), 0)
    if (shape.factor !== undefined) {
      const bounded = new Account(await sourceOf(2))
      const mark = async (port: number) => await ask(await sourceOf(3), port, MARK)
      await asFarAsItMay(shape, protocol, bounded, bounding, mark)
      assert.ok(bounded.received <= EXTRA_BYTES + FACTOR * bounded.sent)
      assert.ok((await droppedDatagrams(metrics, bounding)) > 0)
    } else if (shape.protocol === undefined) assert.ok(visitor.received <= EXTRA_BYTES + FACTOR * visitor.sent)
    else if (shape.answers > 2) assert.ok(visitor.received > 2 * FACTOR * visitor.sent)
  })
}

/** The visitor's nth datagram. */
function askOf({ opening, ask }: Shape, protocol: Protocol, index: number, answer: Buffer): Buffer {
  return protocol.ask(index, opening.asks[index] ?? ask, answer)
}

/** The whole of it, with as much under way as a socket holds; fails when something does not come. */
async function whole(shape: Shape, protocol: Protocol, visitor: Account, port: number): Promise<void> {
  const countOf = answersOf(shape)
  let [asked, awaited] = [0, 0]
  /** Nobody goes on before it. */
  let answer = shape.protocol === undefined ? Buffer.alloc(0) : undefined
  const deadline = AbortSignal.timeout(6 * LOST_MS)
  const next = () => {
    while (awaited - visitor.datagrams < UNDER_WAY && awaited * shape.answer < shape.bytes) {
      if (asked > 0 && answer === undefined) return
      visitor.send(askOf(shape, protocol, asked, answer ?? Buffer.alloc(0)), port)
      awaited += countOf(asked++)
    }
  }
  await new Promise<void>((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Error(`${visitor.datagrams} of ${awaited} datagrams came`)))
    visitor.socket.on('message', datagram => {
      answer ??= datagram
      next()
      if (visitor.datagrams === awaited) resolve()
    })
    next()
  })
}

/** Some hundreds of its datagrams, where not all of what answers them may come. */
async function asFarAsItMay(
  shape: Shape,
  protocol: Protocol,
  visitor: Account,
  port: number,
  mark: (port: number) => Promise<unknown>,
) {
  for (let index = 0; index < 400; index++) {
    visitor.send(askOf(shape, protocol, index, Buffer.alloc(0)), port)
    if (index % 4 === 0) await mark(port)
  }
}
