// Peers that fall silent without a word: noticed by whoever can notice, waited for, and back by themselves.
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { LINK_SILENCE_MS } from '@pbt/proto'
import { type Program, type RunningServer, startServer, startTunnel } from '../support/programs.ts'
import { type Direction, Relay } from '../support/relay.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

/** What is promised; how late a busy machine may be is beside the point. */
const BACK_MS = 2_000
const LATE_MS = 4_000

const SILENT = /"link is silent"/
/** What the server says when it finds the silence, and also when the client found it first and ended the link. */
const LOST = /"link lost"/

/** A server, a client whose link goes through a relay, and how often the target was asked for a path. */
async function connected(t: TestContext) {
  const asked: string[] = []
  const target = await httpTarget(t, ({ url = '' }, response) => {
    asked.push(url)
    response.end('well')
  })
  const server = await startServer(t)
  const relay = new Relay()
  await relay.start(t, server.https)
  const client = await startTunnel(t, server, target, { domain: 'app', linkPort: relay.port })
  const visit = async (path: string) => {
    assert.match(
      await rawRequest(t, server, `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n`),
      /well/,
    )
  }
  await visit('/before')
  return { server, relay, client, visit, asked }
}

/** Resolves with how many ms passed until the server's log told of it. */
async function serverNotices({ program }: RunningServer, line: RegExp, since: number): Promise<number> {
  await program.until(() => (line.test(program.stderr) ? true : undefined), `${line} in the log`)
  return performance.now() - since
}

async function clientNotices(client: Program, since: number): Promise<number> {
  const { reason } = await client.event('reconnecting')
  const elapsed = performance.now() - since
  // The server that notices a moment sooner ends the link, where that gets through.
  assert.match(String(reason), /did not respond for 15 s|the link broke/)
  return elapsed
}

/** Fails unless the session went on over a new link; resolves with the ms since. */
async function resumes(client: Program, since: number): Promise<number> {
  await client.event('resumed')
  const elapsed = performance.now() - since
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'offline' || event === 'closed'),
    [],
  )
  return elapsed
}

function inTime(t: TestContext, what: string, elapsedMs: number, limitMs: number): void {
  t.diagnostic(`${what} after ${Math.round(elapsedMs)} ms`)
  assert.ok(elapsedMs < limitMs + LATE_MS, `${what} after ${elapsedMs} ms`)
}

// Side by side, since all they do is wait.
describe('silence', { concurrency: true }, () => {
  test('H2: a client that stands still is noticed, and serves who waits once it goes on', async t => {
    const { server, client, visit, asked } = await connected(t)
    client.child.kill('SIGSTOP')
    const since = performance.now()
    const meanwhile = visit('/meanwhile')
    inTime(t, 'noticed', await serverNotices(server, SILENT, since), LINK_SILENCE_MS)
    const later = visit('/later')
    const woken = performance.now()
    client.child.kill('SIGCONT')
    inTime(t, 'back', await resumes(client, woken), BACK_MS)
    await Promise.all([meanwhile, later])
    assert.deepEqual(asked.sort(), ['/before', '/later', '/meanwhile'])
  })

  test('H3: a server that stands still is noticed, and dialled until it goes on, each time with a line', async t => {
    const { server, relay, client, visit } = await connected(t)
    server.program.child.kill('SIGSTOP')
    const since = performance.now()
    inTime(t, 'noticed', await clientNotices(client, since), LINK_SILENCE_MS)
    const tries = () => client.events.filter(({ event }) => event === 'reconnecting')
    await client.until(() => (tries().length === 2 ? true : undefined), 'a second try')
    const woken = performance.now()
    server.program.child.kill('SIGCONT')
    inTime(t, 'back', await resumes(client, woken), BACK_MS)
    const waits = tries().map(({ retryInMs }) => Number(retryInMs))
    t.diagnostic(`waits of ${waits.join(', ')} ms`)
    assert.equal(waits[0], 0)
    assert.ok((waits[1] ?? 0) >= 400 && (waits[1] ?? 0) <= 600, 'half a second and a fifth more or less')
    assert.equal(relay.connections, 1 + waits.length, 'a line for each try')
    await visit('/after')
  })

  const oneWay = async (t: TestContext, direction: Direction) => {
    const { server, relay, client, visit, asked } = await connected(t)
    relay.blackHole(direction)
    const since = performance.now()
    const meanwhile = visit('/meanwhile')
    const [atServer, atClient] = await Promise.all([serverNotices(server, LOST, since), clientNotices(client, since)])
    inTime(t, 'noticed by the server', atServer, LINK_SILENCE_MS)
    inTime(t, 'noticed by the client', atClient, LINK_SILENCE_MS)
    const healed = performance.now()
    relay.heal()
    inTime(t, 'back', await resumes(client, healed), BACK_MS)
    await meanwhile
    await visit('/after')
    assert.deepEqual(asked, ['/before', '/meanwhile', '/after'])
  }

  test('H4: nothing reaches the server any more: both ends notice, and nothing is lost or asked twice', async t => {
    await oneWay(t, 'up')
  })

  test('H4: nothing reaches the client any more: both ends notice, and nothing is lost or asked twice', async t => {
    await oneWay(t, 'down')
  })
})
