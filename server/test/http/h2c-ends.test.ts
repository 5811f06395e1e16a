// Requests to a target over HTTP/2 (`--target-protocol h2c`) end in every way there is, at every stage: nothing of them stays at
// the target, in the client or in the server.
import assert from 'node:assert/strict'
import { constants } from 'node:http2'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { askAll } from '../../../client/src/tunnels/ask.ts'
import { anyTarget, LONG_POST, STAGES, type Stage, TARGET_ENDS, type Target } from '../support/h2c-stages.ts'
import { SETTINGS, uint32, WINDOW_UPDATE } from '../support/http2-frames.ts'
import { seeded } from '../support/mutations.ts'
import { lastingPort } from '../support/ports.ts'
import { type RunningServer, restartServer, scratch, startServer, startTunnel } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { http2Request, http2Visitor, type RawVisitor, rawVisitor } from '../support/visitors.ts'

/** Nothing of a request is left so long after its end. */
const WITHIN_MS = 1_000
/** Only a failure waits for it. */
const REACH_MS = 20_000
/** Server, client and target, and what each of them has open. */
const house = shared(async t => {
  const target = await anyTarget(t)
  const metrics = await lastingPort()
  const serverArgs = ['--metrics-port', String(metrics)]
  const server = await startServer(t, { serverArgs })
  const home = join(scratch(t), 'home')
  const options = { domain: 'app', home, args: ['--target-protocol', 'h2c'] }
  const client = await startTunnel(t, server, target.port, options)
  const left = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    const channels = Number(/^pbt_channels(?:\{.*\})? (\d+)/m.exec(text)?.[1])
    const [status] = await askAll(home)
    const open = status?.kind === 'answered' ? status.snapshot.tunnels[0]?.open : undefined
    return { channels, open, streams: target.open, handshakes: target.http1.size }
  }
  /** `but`: what cannot be gone yet. */
  const nothing = async (what: string, since = performance.now(), but: 'streams' | '' = '') => {
    for (;;) {
      // What a look sees is not older than its begin, however long it takes.
      const ms = performance.now() - since
      const now = await left()
      if (but !== '') now[but] = 0
      if (Object.values(now).every(count => count === 0)) return
      assert.ok(ms < WITHIN_MS, `${what}: after ${ms} ms there are ${JSON.stringify(now)}`)
    }
  }
  return { target, server, client, nothing, serverArgs }
})

async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + REACH_MS
  while (!holds()) {
    assert.ok(performance.now() < end, what)
    await new Promise(setImmediate)
  }
}

/** A visitor at this stage. */
async function reach(t: TestContext, server: RunningServer, target: Target, stage: Stage): Promise<RawVisitor> {
  const { sockets } = target
  for (const connection of sockets.values()) connection?.reopen()
  // Whoever waits for a connection finds none.
  if (stage.target === 'silent') for (const socket of sockets.keys()) socket.end()
  await until(() => stage.target !== 'silent' || sockets.size === 0, `${stage.name}: no connection`)
  target.stage = stage
  const before = target.heard
  const visitor = await rawVisitor(t, server)
  visitor.send(stage.request)
  await until(
    () => target.heard > before && stage.isReached(visitor, target),
    `${stage.name}, ${target.lastBodyBytes} bytes of a body`,
  )
  return visitor
}

/** An ordinary request is served. */
async function served(t: TestContext, server: RunningServer, target: Target): Promise<void> {
  target.stage = { serve: (connection, stream) => connection.answer(stream, 'fine') }
  const session = await http2Visitor(t, server)
  assert.equal(String((await http2Request(session, {})).body), 'fine')
  session.destroy()
}

/** A silent target keeps its connection until it is given up. */
function forget(target: Target): void {
  if (target.stage.target === 'silent') for (const socket of target.sockets.keys()) socket.resetAndDestroy()
}

/** The connections of the tests before are over, with what was said on them of their windows. */
async function forgetAll({ sockets }: Target): Promise<void> {
  for (const socket of sockets.keys()) socket.end()
  await until(() => sockets.size === 0, 'no connection of the tests before')
}

test('C6, C7, D10: a visitor who goes away leaves nothing at an h2c target, at any stage', async t => {
  const { target, server, nothing } = await house()
  for (const stage of STAGES) {
    for (const count of [1, 3]) {
      const visitors: RawVisitor[] = []
      for (let made = 0; made < count; made++) visitors.push(await reach(t, server, target, stage))
      const since = performance.now()
      for (const { socket } of visitors) socket.resetAndDestroy()
      await nothing(`${stage.name}, ${count} visitors`, since)
      forget(target)
    }
  }
  await served(t, server, target)
})

test('C7, D10, H10: a target that ends in whatever way at any stage leaves nothing, and its visitor sees that', async t => {
  const { target, server, nothing } = await house()
  for (const stage of STAGES) {
    for (const [name, end] of TARGET_ENDS) {
      const visitor = await reach(t, server, target, stage)
      const since = performance.now()
      target.stage = { serve: () => {} }
      end(target)
      await nothing(`${stage.name}, ${name}`, since)
      if (/^HTTP\/1\.1 (200|101)/m.test(visitor.text)) {
        const how = await visitor.over()
        // A body that ends before its length or without its last chunk is a cut, too.
        assert.ok(how === 'cut' || /^HTTP\/1\.1 200/m.test(visitor.text), `${stage.name}, ${name}`)
        assert.doesNotMatch(visitor.text, /\r\n0\r\n\r\n$/, `${stage.name}, ${name}`)
      } else {
        await visitor.until(/^HTTP\/1\.1 50[24] /m)
        assert.match(visitor.text, /pbt-error: target-(broke|unreachable|timeout)/, `${stage.name}, ${name}`)
      }
      visitor.socket.destroy()
    }
    await served(t, server, target)
  }
})

test('C6, C7, H10: whatever ends at whatever stage, in whatever order, nothing is left at an h2c target', async t => {
  const { target, server, nothing } = await house()
  const random = seeded(20_261_128)
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T
  const stages = STAGES.filter(each => each.target !== 'silent' && each.request !== LONG_POST)
  for (let round = 0; round < 60; round++) {
    const chosen = Array.from({ length: 1 + random(4) }, () => pick(stages))
    const visitors: RawVisitor[] = []
    for (const stage of chosen) visitors.push(await reach(t, server, target, stage))
    target.stage = { serve: () => {} }
    const leaving = random(visitors.length + 1)
    const [how, end] = pick(TARGET_ENDS)
    const since = performance.now()
    for (const { socket } of visitors.slice(0, leaving)) socket.resetAndDestroy()
    if (leaving < visitors.length) end(target)
    await nothing(`round ${round}: ${leaving} leave ${chosen.map(({ name }) => name)}, then ${how}`, since)
    for (const { socket } of visitors) socket.destroy()
    if (round % 10 === 9) await served(t, server, target)
  }
})

test('C6, H10: visitors who leave a target that does not read leave nothing, and it sees their end when it reads', async t => {
  const { target, server, nothing } = await house()
  await forgetAll(target)
  target.stage = {
    serve: connection => {
      connection.send(WINDOW_UPDATE, 0, 0, uint32(2 ** 30))
      connection.send(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), uint32(2 ** 30)]))
      connection.socket.pause()
    },
  }
  const session = await http2Visitor(t, server)
  const upload = session.request({ ':method': 'POST' })
  upload.on('error', () => {})
  // Until nobody on the way takes any more.
  let written = 0
  const pour = () => {
    do written++
    while (upload.write(Buffer.alloc(64 * 1024)))
  }
  upload.on('drain', pour)
  pour()
  for (let before = 0; before !== written; ) {
    before = written
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  assert.equal(target.open, 1)
  const [connection] = target.sockets.values()
  const since = performance.now()
  upload.close(constants.NGHTTP2_CANCEL)
  await nothing('the visitor is gone', since, 'streams')
  connection?.socket.resume()
  await nothing('the target reads again')
  await served(t, server, target)
})

// The last one: the server that all share is killed.
test('H5, F3: a link that is lost for good leaves nothing at an h2c target, at any stage', {
  timeout: 120_000,
}, async t => {
  const { target, server, client, nothing, serverArgs } = await house()
  await forgetAll(target)
  for (const stage of STAGES.filter(each => each.target !== 'silent')) await reach(t, server, target, stage)
  assert.equal(target.open, STAGES.filter(each => each.target === undefined).length)
  await server.program.end('SIGKILL')
  const seen = client.events.length
  const again = await restartServer(t, server, { ports: server, serverArgs })
  // Its session is unknown to the new server: another one begins, and the old one's requests are over.
  await client.event('online', seen)
  await nothing('server killed')
  await served(t, again, target)
})
