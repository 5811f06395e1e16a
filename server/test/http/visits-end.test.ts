// Whatever way a visitor ends, at whatever stage: what it asked for is over at both ends and at the target within a second.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { gauges } from '../support/gauges.ts'
import { seeded } from '../support/mutations.ts'
import type { RunningServer } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import type { Stage } from '../support/stage-target.ts'
import {
  atStage,
  BEGUN,
  ENDS,
  fields,
  type House,
  house,
  isSeen,
  nothingLeft,
  othersAreServed,
  readyFrameVisitor,
  STREAM_ENDS,
  STREAMS,
  TEXTS,
  tcpVisitor,
  until,
} from '../support/visit-ends.ts'
import { type RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

/** Each test leaves nothing of its visitors there. */
const theHouse = shared(house)

for (const [protocol, visit] of [
  ['HTTP/1.1', rawVisitor],
  ['HTTP/1.1 over TLS', (t: TestContext, server: RunningServer) => rawTlsVisitor(t, server)],
] as const) {
  test(`E10: ${protocol}: nothing is left of a visitor who is gone, whatever it had asked for`, async t => {
    const rooms = await theHouse()
    for (const [end, endVisitor] of Object.entries(ENDS)) {
      const seen = TEXTS.filter(text => isSeen(text, end))
      const visitors = await Promise.all(
        seen.map(text => atStage(t, rooms, visit, text, `/${encodeURIComponent(protocol)}/${end}`)),
      )
      for (const visitor of visitors) endVisitor(visitor)
      await nothingLeft(rooms, `${protocol}, ${end}`)
    }
    await othersAreServed(t, rooms)
  })
}

/** Each code once; the ends that differ most with many streams. */
function countsFor(end: string, stage: Stage): readonly number[] {
  if (/with ([1-79]|\d\d)$/.test(end)) return [2]
  return stage === 'hang' || stage === 'events' ? [1, 2, 100] : [1, 2]
}

test('E10: HTTP/2: nothing is left of streams whose visitor is gone, one, two and a hundred of them', async t => {
  const rooms = await theHouse()
  for (const [end, endStreams] of Object.entries(STREAM_ENDS)) {
    const atOnce = STREAMS.flatMap(([name, open, stage]) =>
      countsFor(end, stage).map(async count => {
        const visitor = await readyFrameVisitor(t, rooms.server)
        const paths = Array.from(
          { length: count },
          (_, index) => `/${stage}/${encodeURIComponent(`${name} ${end}`)}/${count}/${index}`,
        )
        const streams = paths.map(path => open(visitor, path))
        await rooms.target.sees(...paths)
        if (BEGUN.includes(stage)) for (const stream of streams) await visitor.outcome(stream)
        return { visitor, streams, areWhole: !/body|head/.test(name) }
      }),
    )
    const visits = await Promise.all(atOnce)
    for (const { visitor, streams, areWhole } of visits) endStreams(visitor, streams, areWhole)
    for (const { visitor } of visits) {
      // Only the streams have ended.
      if (end.includes('RST_STREAM')) assert.equal(await visitor.outcome(visitor.open(fields('GET', '/small'))), 200)
      visitor.socket.destroy()
    }
    await nothingLeft(rooms, end)
  }
  await othersAreServed(t, rooms)
})

// TCP.

test('E10: TCP: nothing is left of a visitor who is gone', async t => {
  const rooms = await theHouse()
  for (const [end, endVisitor] of Object.entries(ENDS)) {
    for (const count of [1, 50]) {
      for (let index = 0; index < count; index++) endVisitor(await tcpVisitor(t, rooms))
      await nothingLeft(rooms, `${count} of them, ${end}`)
    }
  }
})

// The target.

test('E10: nothing is left of a request whose target is gone, whatever it had answered, and its visitor knows', async t => {
  const rooms = await theHouse()
  for (const [end, endTarget] of Object.entries(ENDS)) {
    const texts = TEXTS.filter(([, , stage]) => stage !== undefined && stage !== 'unread')
    const visitors = await Promise.all(texts.map(text => atStage(t, rooms, rawVisitor, text, `/target/${end}`)))
    for (const socket of rooms.target.underWay.keys()) endTarget({ socket, tcp: socket })
    for (const visitor of visitors) {
      await Promise.race([visitor.over(), visitor.until(/pbt-error|\r\n0\r\n\r\n$/)])
      visitor.socket.end()
    }
    await nothingLeft(rooms, `${end} of the target`)
    for (const socket of [await tcpVisitor(t, rooms), await tcpVisitor(t, rooms)].map(({ socket }) => socket)) {
      socket.on('end', () => socket.end())
    }
    for (const socket of rooms.target.tcp) endTarget({ socket, tcp: socket })
    await nothingLeft(rooms, `TCP, ${end} of the target`)
  }
  await othersAreServed(t, rooms)
})

// The link.

test('E10: visitors who leave while the link is cut leave nothing, neither at once at the server nor at the target later', async t => {
  const rooms = await theHouse()
  const { relay, server, metrics } = rooms
  for (const [end, endVisitor] of Object.entries(ENDS)) {
    const seen = TEXTS.filter(text => isSeen(text, end))
    const visitors: RawVisitor[] = await Promise.all(
      seen.map(text => atStage(t, rooms, rawVisitor, text, `/cut/${end}`)),
    )
    visitors.push(await tcpVisitor(t, rooms))
    relay.target = 1
    relay.cut()
    for (const visitor of visitors) endVisitor(visitor)
    // What may be half closed goes on: the target has not heard of it yet.
    const halfClosed = end === 'RST' ? 0 : 2
    let left = 0
    const isOver = async () => {
      left = (await gauges(metrics)).channels
      return left <= halfClosed
    }
    await until(isOver, () => `${end}: ${left} channels are left`)
    const before = rooms.client.events.length
    relay.target = server.https
    await rooms.client.event('resumed', before)
    await nothingLeft(rooms, `a cut link, ${end}`)
  }
  await othersAreServed(t, rooms)
})

// All of it at once.

const [VISITS, AT_ONCE, VISITS_A_CUT] = [2_000, 40, 500]
/** What a visit in the mixture is, besides those over HTTP/1.1 that TEXTS has. */
const [OVER_TLS, OVER_HTTP2, OVER_TCP] = [0.3, 0.6, 0.9]

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T
}

/** One visitor somewhere, ended somehow; none of its steps waits for a link that may just be cut. */
async function anyVisit(t: TestContext, rooms: House, random: () => number, turn: number): Promise<void> {
  const [end, endVisitor] = pick(Object.entries(ENDS), random)
  const where = random()
  if (where > OVER_TCP) {
    const visitor = await rawVisitor(t, { ...rooms.server, http: rooms.tcpPort })
    visitor.send('hello')
    if (random() > 0.5) await new Promise(resolve => setTimeout(resolve, random() * 20))
    endVisitor(visitor)
  } else if (where > OVER_HTTP2) {
    const [, open, stage] = pick(STREAMS, random)
    const visitor = await readyFrameVisitor(t, rooms.server)
    const streams = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) =>
      open(visitor, `/${stage}/${turn}/${index}`),
    )
    if (random() > 0.3) await new Promise(resolve => setTimeout(resolve, random() * 30))
    pick(Object.values(STREAM_ENDS), random)(visitor, streams, true)
    visitor.socket.destroy()
  } else {
    const text = pick(
      TEXTS.filter(each => isSeen(each, end)),
      random,
    )
    const visitor = await (where > OVER_TLS ? rawTlsVisitor : rawVisitor)(t, rooms.server)
    visitor.send(text[1](`/${text[2]}/${turn}`))
    if (random() > 0.3) await new Promise(resolve => setTimeout(resolve, random() * 30))
    endVisitor(visitor)
  }
}

test(`E10: ${VISITS} visitors of every kind end in every way, mixed and with cuts of the link: nothing is left, and all others are served`, async t => {
  const seed = Number(process.env.PBT_TEST_SEED ?? 21)
  t.diagnostic(`seed ${seed}, which PBT_TEST_SEED sets`)
  const whole = seeded(seed)
  const random = () => whole(2 ** 31) / 2 ** 31
  const rooms = await theHouse()
  let isOver = false
  const others = (async () => {
    let served = 0
    for (; !isOver; served++) await othersAreServed(t, rooms)
    return served
  })()
  let turn = 0
  const visitors = Array.from({ length: AT_ONCE }, async () => {
    while (turn < VISITS) {
      if (++turn % VISITS_A_CUT === 0) rooms.relay.cut()
      await anyVisit(t, rooms, random, turn)
    }
  })
  await Promise.all(visitors)
  isOver = true
  t.diagnostic(`${await others} others were served`)
  await nothingLeft(rooms, 'all of them')
})
