// Another program that holds the database's lock: visitors do not notice, and what has to be written waits for it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { stopwatch } from '../support/process.ts'
import { CLIENT, clientEnv, program, SERVER, startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

test('H13: a locked database holds up no visitor, and whoever writes gets what was asked for when it is free', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const { server, client } = await startPbt(t, target)
  let longest = 0
  const ask = async () => {
    const passed = stopwatch(server.program.pid, client.pid)
    assert.match(await rawRequest(t, server, GET), /here$/)
    longest = Math.max(longest, passed())
  }
  await ask()
  // The server may be writing: it waits, as any program would.
  const other = new DatabaseSync(join(server.dataDir, 'pbt.db'), { timeout: 5_000 })
  t.after(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  const waiting = program(t, CLIENT, ['up', 'tcp:1', 'tcp:2', 'udp:3', '--json'], clientEnv(t, server))
  const allow = program(t, SERVER, ['allow', 'app', '127.0.0.0/8', '--json', '--data-dir', server.dataDir])
  await waiting.event('connected')
  for (const end = performance.now() + 2_500; performance.now() < end; await pause(20)) await ask()
  // What is told of targets needs no database.
  assert.ok(![...waiting.events, ...allow.events].some(({ event }) => event !== 'connected' && event !== 'target'))
  other.exec('ROLLBACK')
  await waiting.until(
    () => (waiting.events.filter(({ event }) => event === 'online').length === 3 ? true : undefined),
    '3',
  )
  assert.deepEqual((await allow.event('address')).allow, ['127.0.0.0/8'])
  await ask()
  assert.ok(longest < 1_000, `a request took ${Math.round(longest)} ms`)
  assert.ok(![...client.events, ...waiting.events].some(({ event }) => event === 'reconnecting' || event === 'error'))
})
