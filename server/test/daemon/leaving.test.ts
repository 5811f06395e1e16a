// Leaving is the same for the daemon, its unit and one tunnel of it: nobody who was let in loses anything, others do not notice, and
// what has to be said by the exit code is said to the supervisor.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { unitText } from '../../../client/src/daemon/unit.ts'
import { Busy } from '../support/busy.ts'
import { Home, Supervisor, until } from '../support/daemon.ts'
import { udpTarget } from '../support/datagrams.ts'
import { ownerOf } from '../support/owner.ts'
import { CLIENT, clientEnv, type RunningServer, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const RATE_MS = 10

/** The unit of a client with these arguments. */
function unitOf(env: NodeJS.ProcessEnv, ...args: string[]): string {
  const environment = { PBT_UNATTENDED: '1', PBT_HOME: String(env.PBT_HOME) }
  const text = unitText({
    command: [process.execPath, CLIENT],
    isSystem: false,
    home: String(env.PBT_HOME),
    environment,
  })
  return args.length === 0 ? text : text.replace(/daemon run$/m, args.join(' '))
}

/** 100 visitors a second of a tunnel, until told to stop: how each was answered that came before that. */
function visits(t: TestContext, server: RunningServer, name: string) {
  const all: Promise<string>[] = []
  const timer = setInterval(() => {
    const request = `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`
    all.push(rawRequest(t, server, request).catch(error => String(error)))
  }, RATE_MS)
  t.after(() => clearInterval(timer))
  return async () => {
    clearInterval(timer)
    return (await Promise.all(all)).map(answer => /^HTTP\/1.1 (\d+)/.exec(answer)?.[1] ?? answer)
  }
}

test('H44: under 100 requests a second, one tunnel is stopped, then the unit: whole downloads, and nobody fails who came before', async t => {
  const server = await startServer(t)
  const home = new Home(t, clientEnv(t, server))
  const busy = await Busy.start(t)
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const { port: udp } = await udpTarget(t, datagram => [datagram])
  const quick = await httpTarget(t, (_request, response) => response.end('quick'))
  const supervisor = new Supervisor(t, unitOf(home.env), { ...process.env, ...home.env })
  supervisor.start()
  const entries = [
    `http: ${busy.port}\n  domain: busy`,
    `http: ${quick}\n  domain: quick`,
    `tcp: ${echo}`,
    `udp: ${udp}`,
  ]
  home.write(entries.map(entry => `- ${entry}\n`).join(''))
  const online = async () =>
    [...(await home.tunnels()).values()].filter(({ urls }) => Array.isArray(urls) && urls.length > 0)
  await until(
    async () => (await online()).length === 4,
    () => home.log,
  )
  const portOf = async (kind: string) => {
    const urls = (await online()).find(tunnel => tunnel.kind === kind)?.urls
    return Number(new URL(String(Array.isArray(urls) ? urls[0] : '')).port)
  }
  const ports = { tcp: await portOf('tcp'), udp: await portOf('udp') }

  const first = await busy.open(server, ports)
  const others = visits(t, server, 'quick')
  const stopping = home.json('tunnel', 'stop', 'busy')
  assert.deepEqual(await first.ended(), { download: 'whole' })
  const { events } = await stopping
  assert.deepEqual([events[0]?.event, events.at(-1)?.event], ['draining', 'stopped'], JSON.stringify(events))
  const answers = await others()
  assert.ok(answers.length > 20 && answers.every(answer => answer === '200'), answers.join(' '))

  assert.equal((await home.json('tunnel', 'start', 'busy')).events.at(-1)?.event, 'online')
  const second = await busy.open(server, ports)
  const before = visits(t, server, 'quick')
  const stopped = supervisor.stop()
  await home.logged(/stopping: /)
  const came = await before()
  assert.deepEqual(await second.ended(), { download: 'whole' })
  await stopped
  // Those who came later are told that nobody is there, and by whom.
  assert.ok(
    came.every(answer => answer === '200' || answer === '503'),
    came.join(' '),
  )
  assert.equal(supervisor.restarts, 0)
})

test('a supervisor is told by the exit code what no restart mends: a refused token, and tunnels that the owner ended', async t => {
  const server = await startServer(t)
  const home = new Home(t, clientEnv(t, server))
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  home.write(`- http: ${target}\n  domain: app\n`)
  const owner = ownerOf(server)
  const codes: (number | null)[] = []
  for (const end of [() => owner.tunnels.killTunnel({ name: 'app' }), () => owner.tokens.rotateToken({})]) {
    const unit = unitOf(home.env, 'up', '--file', home.file)
    // A person has started the second one: what was ended is opened again.
    const supervisor = new Supervisor(t, unit.replace('PBT_UNATTENDED=1', 'PBT_UNATTENDED=0'), {
      ...process.env,
      ...home.env,
    })
    supervisor.start()
    await until(
      async () =>
        (await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')).startsWith(
          'HTTP/1.1 200',
        ),
      () => 'the tunnel',
    )
    await end()
    await until(
      () => supervisor.pid === 0,
      () => 'the end',
    )
    codes.push(supervisor.lastCode)
    assert.equal(supervisor.restarts, 0)
  }
  assert.deepEqual(codes, [5, 3])
})
