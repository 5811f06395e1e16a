// Leaving is the same for the daemon, its unit and one tunnel of it: nobody who was let in loses anything, others do not notice, and
// what has to be said by the exit code is said to the supervisor.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unitText } from '../../../client/src/daemon/unit.ts'
import { Busy, visits } from '../support/busy.ts'
import { Home, Supervisor, until } from '../support/daemon.ts'
import { udpTarget } from '../support/datagrams.ts'
import { ownerOf } from '../support/owner.ts'
import { CLIENT, clientEnv, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

/** Far below what a visitor waits for a client that is expected back. */
const AT_ONCE_MS = 2_000

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

test('H44: under 100 requests a second, one tunnel is stopped, then the unit: whole downloads, nobody fails who came before, and others are told at once', async t => {
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
  await others.count(20)
  const stopping = home.json('tunnel', 'stop', 'busy')
  assert.deepEqual(await first.ended(), { download: 'whole' })
  const { events } = await stopping
  assert.deepEqual([events[0]?.event, events.at(-1)?.event], ['draining', 'stopped'], JSON.stringify(events))
  for (const { status, text } of await others.ended()) assert.ok(status === 200 && text.endsWith('quick'), text)

  assert.equal((await home.json('tunnel', 'start', 'busy')).events.at(-1)?.event, 'online')
  const second = await busy.open(server, ports)
  const visitors = visits(t, server, 'quick')
  await visitors.count(20)
  const stoppedAt = performance.now()
  const stopped = supervisor.stop()
  await home.logged(/stopping: /)
  await visitors.count(20)
  assert.deepEqual(await second.ended(), { download: 'whole' })
  await stopped
  const all = await visitors.ended()
  const turnedAway = all.filter(({ status }) => status !== 200)
  const closedAt = Math.min(...turnedAway.map(({ endedAt }) => endedAt))
  for (const { begunAt, endedAt, status, text } of all) {
    // Nobody fails who came before; who comes later is told at once that nobody is there, by the edge, and when to come again.
    if (status === 200) assert.ok(text.endsWith('quick') && begunAt < closedAt, text)
    else {
      assert.match(text, /^HTTP\/1.1 503 [\s\S]*^pbt-error: offline\r$/m)
      assert.match(text, /^retry-after: \d+\r$/im)
      assert.ok(begunAt > stoppedAt && endedAt - begunAt < AT_ONCE_MS, `${endedAt - begunAt} ms, ${text}`)
    }
  }
  assert.ok(turnedAway.length > 0)
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
