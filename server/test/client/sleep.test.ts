// A client that stands still for longer than its session lasts. Shorter sleeps: link/silence.test.ts; with a clock that jumps:
// client/src/tunnels/agent-network.test.ts. This one takes as long as it says: SLEEP_SECONDS=60 npm test -- server/test/client/sleep.test.ts
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const SECONDS = Number(process.env.SLEEP_SECONDS ?? 0)
const BACK_MS = 2_000
const LATE_MS = 3_000

test('a client that stood still is back within two seconds at the same address', {
  skip: SECONDS > 0 ? false : 'it waits: SLEEP_SECONDS=60 runs it',
}, async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const { server, client } = await startPbt(t, target)
  client.child.kill('SIGSTOP')
  await pause(SECONDS * 1_000)
  const before = client.events.length
  const woken = performance.now()
  client.child.kill('SIGCONT')
  const isBack = () =>
    client.events.slice(before).find(({ event }) => event === 'resumed' || event === 'online') && 'back'
  await client.until(isBack, 'the tunnel')
  const ms = Math.round(performance.now() - woken)
  t.diagnostic(`back after ${ms} ms`)
  assert.ok(ms < BACK_MS + LATE_MS, `${ms} ms`)
  const text = await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
  assert.match(text, /^HTTP\/1\.1 200 [\s\S]*well$/)
})
