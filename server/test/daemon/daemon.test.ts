// The client's daemon: tunnels of all kinds that come, change and go by command and by hand, without touching one another.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Busy, visits } from '../support/busy.ts'
import { Home, until } from '../support/daemon.ts'
import { udpTarget } from '../support/datagrams.ts'
import { ownerOf } from '../support/owner.ts'
import { CLIENT, clientEnv, program, type RunningServer, scratch, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const get = (t: TestContext, server: RunningServer, name: string) =>
  rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)

/** A home whose daemon reads the token from its file, as after `pbt init`. */
async function storedHome(t: TestContext, server: RunningServer): Promise<Home> {
  const env = { PBT_HOME: join(scratch(t), 'client') }
  const home = new Home(t, env)
  const init = program(
    t,
    CLIENT,
    ['init', '-', '--server', `localhost:${server.https}`, '--ca', server.ca],
    env,
    server.token,
  )
  assert.equal((await init.exited).code, 0, init.stderr)
  return home
}

test('ten tunnels of all kinds in one daemon: adding, changing, stopping and hand-editing leaves what others carry untouched', async t => {
  const server = await startServer(t)
  const home = new Home(t, clientEnv(t, server))
  const busy = await Busy.start(t)
  const echo = String(await rawTarget(t, socket => socket.pipe(socket)))
  const { port: udp } = await udpTarget(t, datagram => [datagram])
  const here = await httpTarget(t, (_request, response) => response.end('here'))
  const first = await home.json('http', String(busy.port), '--domain', 'busy', '--detach')
  assert.equal(first.code, 0, first.stderr)
  assert.deepEqual([first.events[0]?.event, first.events.at(-1)?.event], ['kept', 'online'])
  const kept = await home.json('up', `tcp:${echo}`, `udp:${udp},name=flow`, '--detach')
  assert.equal(kept.events.filter(({ event }) => event === 'online').length, 2, JSON.stringify(kept.events))
  const portOf = (kind: string) => {
    const urls = kept.events.find(event => event.kind === kind)?.urls
    return Number(new URL(String(Array.isArray(urls) ? urls[0] : '')).port)
  }
  const others = await busy.open(server, { tcp: portOf('tcp'), udp: portOf('udp') })

  // By hand, several at once, with a socket, a name below and a stopped one.
  const byHand = ['one', 'two', 'three', 'four'].map(name => `- http: ${here}\n  domain: ${name}\n`)
  const more = [
    `- tcp: ${echo}\n  name: second\n`,
    `- udp: ${udp}\n  name: again\n  idle-timeout: 2m\n`,
    `- http: ${here}\n  name: off\n  domain: off\n  stopped: true\n`,
  ]
  writeFileSync(home.file, `${readFileSync(home.file, 'utf8')}# by hand\n${[...byHand, ...more].join('')}`)
  await until(
    async () =>
      [...(await home.tunnels()).values()].filter(
        ({ state, urls }) => state === 'online' && (urls as string[]).length > 0,
      ).length === 9,
    () => home.log,
  )
  assert.match(await get(t, server, 'four'), /200[\s\S]*here/)
  assert.match(await get(t, server, 'off'), /404|503/)
  await others.goOn()

  // Changed: the same address leads elsewhere, by command and by hand, and no visitor of it is turned away meanwhile.
  const there = await httpTarget(t, (_request, response) => response.end('there'))
  const visitors = visits(t, server, 'one')
  const changed = await home.json('http', String(there), '--domain', 'one', '--detach')
  assert.equal(changed.events.at(-1)?.event, 'online', JSON.stringify(changed.events))
  const { length } = home.log
  writeFileSync(home.file, readFileSync(home.file, 'utf8').replace('domain: one\n', 'domain: one\n  name: first\n'))
  await home.logged(/online: https:\/\/one\./, length)
  await visitors.count(20)
  for (const { status, text } of await visitors.ended()) assert.ok(status === 200 && /t?here$/.test(text), text)
  // Stopped, started, removed.
  assert.match(await get(t, server, 'one'), /200[\s\S]*there/)
  assert.equal((await home.json('tunnel', 'stop', 'two')).events.at(-1)?.event, 'stopped')
  assert.match(await get(t, server, 'two'), /503/)
  assert.equal((await home.json('tunnel', 'start', 'off')).events.at(-1)?.event, 'online')
  assert.match(await get(t, server, 'off'), /200[\s\S]*here/)
  assert.equal((await home.json('tunnel', 'remove', 'three')).events.at(-1)?.event, 'removed')
  assert.match(await get(t, server, 'three'), /503|404/)
  await others.goOn()
  const text = readFileSync(home.file, 'utf8')
  assert.match(text, /# by hand\n/)
  assert.match(text, new RegExp(`http: ${there}\n {2}domain: one\n {2}name: first\n`))
  assert.match(text, /domain: two\n {2}stopped: true\n/)
  assert.ok(!text.includes('three') && text.match(/stopped/g)?.length === 1, text)
  assert.equal(statSync(home.file).mode & 0o777, 0o600)

  // Mistakes change nothing, and are told by line until they are mended.
  writeFileSync(home.file, text.replace('domain: four', 'domian: four'))
  await home.logged(/tunnels\.yaml:\d+: http has no option "domian"; did you mean "domain"\?/)
  assert.match((await home.run('status')).text, /tunnels\.yaml:\d+: http has no option "domian"/)
  const refused = await home.json('http', '3000', '--domain', 'more', '--detach')
  assert.deepEqual([refused.code, refused.events.at(-1)?.code], [2, 'usage'])
  assert.match(await get(t, server, 'four'), /200[\s\S]*here/)
  await others.goOn()
  writeFileSync(home.file, text)
  await until(
    async () => !(await home.run('status')).text.includes('domian'),
    () => home.log,
  )

  assert.equal((await home.json('tunnel', 'stop', 'nothing')).code, 2)
  assert.deepEqual(await others.ended(), { download: 'whole' })
  // What is under way ends, also when the daemon is stopped.
  const last = await busy.open(server, { tcp: portOf('tcp'), udp: portOf('udp') })
  const stopping = home.json('daemon', 'stop')
  assert.deepEqual(await last.ended(), { download: 'whole' })
  assert.deepEqual(
    [(await stopping).events[0]?.state, (await home.json('daemon', 'status')).events[0]?.state],
    ['stopped', 'stopped'],
  )
  assert.deepEqual(readdirSync(join(home.home, 'run')), [])
})

test('a daemon is one for each home, whatever one that was killed has left', async t => {
  const server = await startServer(t)
  const home = new Home(t, clientEnv(t, server))
  const started = await home.json('daemon', 'start')
  const pid = started.events[0]?.pid
  assert.deepEqual([started.code, started.events[0]?.state, pid], [0, 'running', home.pid])
  const again = await home.json('daemon', 'start')
  assert.deepEqual([again.code, again.events[0]?.code], [1, 'running'])
  assert.match(String(again.events[0]?.message), new RegExp(`process ${pid}$`))
  assert.equal((await home.run('daemon', 'run')).code, 1)
  process.kill(Number(pid), 'SIGKILL')
  await until(
    async () => (await home.json('daemon', 'status')).events[0]?.state === 'stopped',
    () => 'its end',
  )
  // The number may be another process's by now.
  const note = join(home.home, 'run/daemon.pid')
  rmSync(note)
  symlinkSync(String(process.pid), note)
  const both = await Promise.all([home.json('daemon', 'start'), home.json('daemon', 'start')])
  assert.equal(new Set(both.flatMap(({ events }) => events.map(event => event.pid)).filter(Boolean)).size, 1)
  assert.deepEqual(home.processes, [home.pid], 'the slower one has given up')
  const restarted = await home.json('daemon', 'restart')
  assert.notEqual(restarted.events[0]?.pid, pid)
  // One that an earlier version started has a file in the place of the link.
  rmSync(note)
  writeFileSync(note, `${restarted.events[0]?.pid}\n`)
  assert.match((await home.run('daemon', 'logs')).text, /the daemon begins, process \d+\n/)
  assert.match((await home.run('daemon', 'stop')).text, /has stopped/)
  assert.match((await home.run('daemon', 'stop')).text, /no daemon was running/)
})

test('A4: a daemon whose token is refused stays, and goes on with the next one; one that the owner ended stays down until it is started', async t => {
  const server = await startServer(t)
  const home = await storedHome(t, server)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const kept = await home.json('http', String(target), '--domain', 'app', '--detach')
  assert.equal(kept.events.at(-1)?.event, 'online', JSON.stringify(kept.events))
  const owner = ownerOf(server)
  await owner.tunnels.killTunnel({ name: 'app' })
  await home.logged(/closed app: the owner ended the tunnel/)
  assert.equal((await home.tunnels()).get('app')?.state, 'killed')
  await home.json('daemon', 'restart')
  await until(
    async () => (await home.tunnels()).get('app')?.state === 'killed',
    () => home.log,
  )
  const started = await home.json('tunnel', 'start', 'app')
  assert.equal(started.events.at(-1)?.event, 'online', JSON.stringify(started.events))
  assert.match(await get(t, server, 'app'), /200[\s\S]*here/)

  // The owner ends the token while nobody is there to take the next one.
  await home.json('daemon', 'stop')
  const { secret: token } = await owner.tokens.rotateToken({})
  const begun = await home.json('daemon', 'start')
  await home.logged(/refused the token; it is tried again when/)
  assert.match((await home.run('tunnel', 'list')).text, /offline/)
  const init = program(
    t,
    CLIENT,
    ['init', '-', '--server', `localhost:${server.https}`, '--ca', server.ca],
    home.env,
    token,
  )
  assert.equal((await init.exited).code, 0, init.stderr)
  await until(
    async () => /200[\s\S]*here/.test(await get(t, server, 'app')),
    () => home.log,
  )
  assert.equal(home.pid, begun.events[0]?.pid, 'the same process')
  assert.ok(!home.log.includes(token) && !home.log.includes(server.token))
})
