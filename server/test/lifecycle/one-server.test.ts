// A data directory has one server, or several that stand in for each other; and whatever a crash leaves behind, the next one starts.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { run } from '../support/commands.ts'
import { type Program, program, type RunningServer, restartServer, SERVER, startServer } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { type KeptSocket, keptSocket } from '../support/sockets.ts'
import { startUpgradable } from '../support/upgrade.ts'
import { rawRequest } from '../support/visitors.ts'

const FREE = ['--https-port', '0', '--http-port', '0']
const ANY_HOST = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n'

const another = (t: TestContext, { dataDir }: { dataDir: string }, sockets: readonly KeptSocket[] = []) =>
  program(t, SERVER, ['start', '--json', '--data-dir', dataDir, ...FREE], {}, undefined, sockets)

/** It is refused, with the number of the process that is there and what to do. */
async function isRefused(t: TestContext, server: RunningServer, sockets: readonly KeptSocket[] = []): Promise<Program> {
  const second = another(t, server, sockets)
  const { code } = await second.exited
  const [{ event, code: why, message, cure } = { event: 'nothing' }] = second.events
  assert.deepEqual([code, event, why], [1, 'error', 'already-running'], JSON.stringify(second.events))
  assert.match(String(message), new RegExp(`another pbt-server serves ${server.dataDir}: process \\d+, since 20`))
  assert.match(String(cure), /kill \d+.*--data-dir.*stand-in/)
  return second
}

/** A data directory whose server each test leaves running for the next one. */
const house = shared(async file => {
  const place = {
    server: await startServer(file),
    /** Another server in its place. */
    restart: async () => {
      place.server = await restartServer(file, place.server)
    },
  }
  return place
})

const pidOf = ({ events }: Program) => Number(/process (\d+)/.exec(String(events[0]?.message))?.[1])

test('H48: a second server is refused with the first one’s process, and the first serves on', async t => {
  const place = await house()
  const { server } = place
  for (let count = 0; count < 3; count++) assert.equal(pidOf(await isRefused(t, server)), server.program.pid)
  assert.match(await rawRequest(t, server, ANY_HOST), /^HTTP\/1\.1 404 /)
  // What the owner does beside a server is no server.
  assert.equal((await run(t, SERVER, ['token', 'list', '--data-dir', server.dataDir])).code, 0)
  assert.deepEqual(await server.program.end(), { code: 0, signal: null })
  assert.deepEqual(readdirSync(join(server.dataDir, 'run')), ['starting.lock'])
  await place.restart()
})

test('H48: a server that was killed holds up nobody, however often', async t => {
  const place = await house()
  for (let count = 0; count < 5; count++) {
    await place.server.program.end('SIGKILL')
    await place.restart()
    await isRefused(t, place.server)
  }
  // Of five that were killed nothing is left.
  // The newest has its lock, what is known of it, and its socket; besides them the lock of those that start.
  assert.equal(readdirSync(join(place.server.dataDir, 'run')).length, 4)
})

test('H48: a server that is stopped, but there, is found; what else lies in its folder is not taken for one', async t => {
  const place = await house()
  const { server } = place
  const folder = join(server.dataDir, 'run')
  writeFileSync(join(folder, 'note.txt'), 'x')
  writeFileSync(join(folder, 'dead.lock'), '')
  writeFileSync(join(folder, 'dead.json'), '{"pid":1')
  server.program.child.kill('SIGSTOP')
  await isRefused(t, server)
  server.program.child.kill('SIGCONT')
  assert.match(await rawRequest(t, server, ANY_HOST), /^HTTP\/1\.1 404 /)
  await server.program.end('SIGKILL')
  await place.restart()
  assert.deepEqual(
    readdirSync(folder).filter(name => !/^([0-9a-f]{16}\.|\d+\.sock$)/.test(name)),
    ['note.txt', 'starting.lock'],
  )
})

test('H48: a server without sockets keeps out one that has some', async t => {
  const { server } = await house()
  const sockets = [keptSocket(), keptSocket()]
  t.after(() => sockets.map(socket => socket.close()))
  await isRefused(t, server, sockets)
})

// The last one of those: its servers are all its own.
test('H48: of several that start at once one serves', async t => {
  const { server } = await house()
  const { dataDir } = server
  await server.program.end('SIGKILL')
  const all = Array.from({ length: 5 }, () => another(t, { dataDir }))
  const ready = await Promise.all(
    all.map(each => each.until(() => each.events[0], 'a word').then(({ event }) => event === 'ready')),
  )
  assert.equal(ready.filter(Boolean).length, 1, JSON.stringify(all.map(({ events }) => events[0])))
})

test('H48: a stand-in has the same sockets; nobody else is let in beside either', async t => {
  const { server, startAnother } = await startUpgradable(t)
  const others = [keptSocket(), keptSocket()]
  t.after(() => others.map(socket => socket.close()))
  await isRefused(t, server)
  await isRefused(t, server, others)
  const standIn = await startAnother()
  await isRefused(t, server)
  // The first may go, by whatever way; the stand-in is there still.
  await server.program.end('SIGKILL')
  await isRefused(t, server)
  await isRefused(t, server, others)
  const next = await startAnother()
  await standIn.program.end()
  await isRefused(t, server)
  await next.program.end()
  const plain = another(t, server)
  await plain.event('ready')
})
