// What one who watches hears when nothing happens, in virtual time.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { create } from '@bufbuild/protobuf'
import { createContextValues, type HandlerContext } from '@connectrpc/connect'
import { WatchRequestSchema } from '@pbt/proto/admin/v1'
import { FakeClock } from '@pbt/proto/testing'
import { Events } from '../../owner/events.ts'
import { makeStore } from '../../store/store.ts'
import { watchService } from './watch.ts'

async function setUp(t: TestContext, rates: () => object) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-watch-'))
  const store = await makeStore(dataDir)
  const clock = new FakeClock()
  const log = { error: () => {}, info: () => {} }
  const events = await Events.open({ records: store.events, clock, log })
  t.after(async () => {
    const ending = events.end()
    clock.advance(10_000)
    await ending
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const nothing = { list: async () => [], find: async () => undefined }
  const traffic = () => ({ inRate: 0, outRate: 0, recent: [], ...rates() })
  const owner = {
    ...{ addresses: nothing, clients: nothing, domains: nothing, tokens: nothing, urlOf: () => '' },
    tunnels: { ...nothing, figures: () => [{ name: 'app', open: 0, totals: undefined, traffic: traffic() }] },
    log: { refusals: async () => ({ refusals: [], more: 0 }) },
    server: { info: () => ({ settings: [], checks: [] }) },
  }
  const draining = new AbortController()
  const { watch } = watchService({
    ...{ owner: owner as never, events, draining: draining.signal },
  })
  const leaving = new AbortController()
  const context = { signal: leaving.signal, values: createContextValues() } as HandlerContext
  const messages = watch(create(WatchRequestSchema), context)[Symbol.asyncIterator]()
  /** What is said next, and after how many seconds. */
  const next = async () => {
    let isSaid = false
    const from = clock.now()
    const said = messages.next().finally(() => {
      isSaid = true
    })
    for (let look = 0; look < 400 && !isSaid; look++) {
      await turn()
      if (look % 4 === 3 && !isSaid) clock.advance(500)
    }
    assert.ok(isSaid, 'nothing was said')
    const { value, done } = await said
    return [done === true ? 'end' : value.message?.case, (clock.now() - from) / 1_000]
  }
  return { events, next, draining, leaving }
}

test('a reader hears a heartbeat every 15 s at most when nothing happens, and rates only when they changed', async t => {
  const now = { inRate: 1 }
  const { next, draining } = await setUp(t, () => now)
  assert.deepEqual((await next())[0], 'snapshot')
  assert.deepEqual((await next())[0], 'rates')
  for (let time = 0; time < 3; time++) {
    const [said, seconds] = await next()
    assert.equal(said, 'heartbeat')
    assert.ok(Number(seconds) <= 15, `${seconds} s`)
  }
  now.inRate = 2
  const [said, seconds] = await next()
  assert.equal(said, 'rates')
  assert.ok(Number(seconds) <= 5, `${seconds} s`)
  const restarting = next()
  draining.abort()
  assert.equal((await restarting)[0], 'restarting')
  assert.equal((await next())[0], 'end')
})

test('one who leaves, in the middle of a message too, leaves nothing behind', async t => {
  const { events, next, leaving } = await setUp(t, () => ({}))
  await next()
  assert.equal(events.readerCount, 1)
  leaving.abort()
  assert.equal(events.readerCount, 0)
  assert.equal((await next())[0], 'end')
})
