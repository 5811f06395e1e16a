// The server is stopped, restarted and replaced while visitors are there: none of them notices more than a wait.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import type { Outcome } from '../support/traffic.ts'
import { startUpgradable, steadily, type Upgradable } from '../support/upgrade.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

const PER_SECOND = 300
/** About three seconds. */
const DOWNLOAD = { pieces: 60, paceMs: 50 }

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Runs the procedure under 300 requests a second and five downloads that began before it; nothing may fail. */
async function replaceUnderLoad(
  t: TestContext,
  { traffic, target }: Upgradable,
  procedure: () => Promise<void>,
): Promise<void> {
  const load = steadily(traffic, PER_SECOND, ['get', 'https', 'h2'])
  const downloads = (['down', 'chunked', 'h2down', 'down', 'up'] as const).map(kind => traffic.visit(kind, DOWNLOAD))
  await pause(1_000)
  await procedure()
  await pause(1_000)
  const { notStarted } = await load.stop()
  t.diagnostic(`${traffic.outcomes.length} visitors, ${notStarted} were due and did not come`)
  const failures: Outcome[] = [...traffic.outcomes, ...(await Promise.all(downloads))].filter(
    ({ state }) => state !== 'whole',
  )
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${traffic.outcomes.length} failed`)
  assert.ok(traffic.outcomes.length > PER_SECOND)
  for (const [id, times] of target.asked) assert.equal(times, 1, `request ${id} was asked ${times} times`)
  assert.deepEqual((await traffic.visit('tcp', { pieces: 3, paceMs: 0 })).detail, '')
}

test('H6, H17: a restart with sockets that outlive it fails no request', async t => {
  const upgradable = await startUpgradable(t)
  await replaceUnderLoad(t, upgradable, async () => {
    assert.deepEqual(await upgradable.server.program.end('SIGTERM'), { code: 0, signal: null })
    await upgradable.startAnother()
  })
})

test('H6, H17: an upgrade with a stand-in fails no request', async t => {
  const upgradable = await startUpgradable(t)
  await replaceUnderLoad(t, upgradable, async () => {
    const standIn = await upgradable.startAnother()
    assert.deepEqual(await upgradable.server.program.end('SIGTERM'), { code: 0, signal: null })
    await upgradable.startAnother()
    assert.deepEqual(await standIn.program.end('SIGTERM'), { code: 0, signal: null })
  })
})

test('H6: what is in flight ends whole, visitors who come meanwhile are served, and the exit code is 0', async t => {
  let go = () => {}
  const target = await httpTarget(t, (request, response) => {
    if (request.url !== '/slow') response.end('meanwhile')
    else {
      response.write('first ')
      go = () => response.end('last')
    }
  })
  const { server } = await startPbt(t, target)
  const slow = await rawVisitor(t, server)
  slow.send('GET /slow HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await slow.until(/first/)
  server.program.child.kill('SIGTERM')
  await server.program.event('stopping')
  const get = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
  assert.match(await rawRequest(t, server, get), /200 OK[\s\S]*meanwhile/)
  go()
  await slow.until(/last\r\n0\r\n\r\n/)
  assert.equal(await slow.over(), 'end')
  assert.deepEqual(await server.program.exited, { code: 0, signal: null })
})

test('H6: what does not end within drain-seconds is cut, and seen as cut', async t => {
  const target = await httpTarget(t, (_request, response) => response.write('for ever'))
  const { server } = await startPbt(t, target, { serverArgs: ['--drain-seconds', '1'] })
  const visitor = await rawVisitor(t, server)
  visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await visitor.until(/for ever/)
  assert.deepEqual(await server.program.end('SIGTERM'), { code: 0, signal: null })
  await visitor.over()
  assert.doesNotMatch(visitor.text, /\r\n0\r\n\r\n/)
})

test('H6: a second signal ends the server at once', async t => {
  const target = await httpTarget(t, (_request, response) => response.write('for ever'))
  const { server } = await startPbt(t, target)
  const visitor = await rawVisitor(t, server)
  visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await visitor.until(/for ever/)
  server.program.child.kill('SIGTERM')
  await server.program.event('stopping')
  const began = performance.now()
  // Another one: the same within a second is one.
  assert.deepEqual(await server.program.end('SIGINT'), { code: 1, signal: null })
  assert.ok(performance.now() - began < 10_000)
  await visitor.over()
  assert.doesNotMatch(visitor.text, /\r\n0\r\n\r\n/)
})
