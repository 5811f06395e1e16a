// The daemon as a service: what the units say holds, and a supervisor that does what they say brings everything back at its address.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MARKER, unitText } from '../../../client/src/daemon/unit.ts'
import { Home, Supervisor, until } from '../support/daemon.ts'
import { udpSocket, udpTarget } from '../support/datagrams.ts'
import { CLIENT, program, type RunningServer, restartServer, scratch, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome } from '../support/tcp-visitors.ts'
import { rawRequest } from '../support/visitors.ts'
import { canHaveVps } from '../support/vps.ts'

/** How often each of the three is killed: `PBT_KILLS=20 npm test -- server/test/daemon/service.test.ts` is the long run. */
const KILLS = Number(process.env.PBT_KILLS ?? 2)
/** What is promised, and what a machine that is busy with other tests may take. */
const BACK_MS = process.env.PBT_KILLS === undefined ? 30_000 : 5_000
/** After which a datagram is not waited for any more: nothing tells its sender that it was lost. */
const LOST_MS = 300
const UNITS = [true, false].map(isSystem => ({ isSystem, text: unitFor(isSystem) }))
const analyze = spawnSync('systemd-analyze', ['--version']).status === 0

function unitFor(isSystem: boolean): string {
  const home = isSystem ? '/var/lib/pbt' : '/home/you/.config/pbt'
  const command = [process.execPath, '--max-semi-space-size=4', '/opt/my pbt/100%/main.ts']
  return unitText({ command, isSystem, home, environment: { PBT_UNATTENDED: '1', PBT_HOME: home } })
}

const get = (t: TestContext, server: RunningServer, name: string) =>
  rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)

test('H19: systemd takes both units, the one of the system at an exposure of 2 at most', {
  skip: !analyze && 'systemd-analyze is not installed',
}, t => {
  for (const { isSystem, text } of UNITS) {
    const directory = scratch(t)
    const path = join(directory, 'pbt.service')
    writeFileSync(path, text)
    const env = { ...process.env, XDG_RUNTIME_DIR: directory }
    const verified = spawnSync('systemd-analyze', ['verify', ...(isSystem ? [] : ['--user']), path], {
      encoding: 'utf8',
      env,
    })
    assert.deepEqual([verified.status, verified.stderr], [0, ''])
    const args = ['security', '--offline=true', `--threshold=${isSystem ? 20 : 65}`, '--no-pager', path]
    const judged = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
    assert.equal(judged.status, 0, judged.stdout)
  }
})

test('A1: the units hold no token, no shell, and what systemd restarts is told from what it must not', () => {
  for (const { text } of UNITS) {
    assert.match(text, /^RestartPreventExitStatus=3 5$/m)
    assert.match(text, /^Restart=on-failure$/m)
    assert.match(text, /^StartLimitIntervalSec=0$/m)
    assert.match(text, /^ExecStart=\S+\/node --max-semi-space-size=4 "\/opt\/my pbt\/100%%\/main.ts" daemon run$/m)
    assert.doesNotMatch(text, /PBT_TOKEN|pbt_|MemoryDenyWriteExecute=yes/)
  }
})

/** systemd's commands as far as the service uses them: they note what was asked for, as root on a machine without systemd needs. */
function manager(t: TestContext) {
  const directory = scratch(t)
  const noted = join(directory, 'asked')
  const state = join(directory, 'linger')
  const scripts = {
    systemctl: `echo "systemctl $*" >> '${noted}'`,
    loginctl: `case "$1" in show-user) cat '${state}' 2>/dev/null || echo no; exit;; enable-linger) echo yes > '${state}';; disable-linger) rm -f '${state}';; esac\necho "loginctl $*" >> '${noted}'`,
  }
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  return { directory, asked: () => (existsSync(noted) ? readFileSync(noted, 'utf8').trim().split('\n') : []) }
}

/** Whether a visitor of this address gets what its target says. */
async function isServed(t: TestContext, server: RunningServer, url: URL, visitor: Socket): Promise<boolean> {
  if (url.protocol === 'tcp:') return (await outcome(t, Number(url.port))).text === 'hello'
  if (url.protocol === 'udp:') {
    const answered = once(visitor, 'message', { signal: AbortSignal.timeout(LOST_MS) }).catch(() => [])
    visitor.send(url.port, Number(url.port), '127.0.0.1')
    return String((await answered)[0]) === url.port
  }
  const [name = ''] = url.hostname.split('.')
  return /200[\s\S]*here/.test(await get(t, server, name).catch(() => ''))
}

async function installedHome(t: TestContext, server: RunningServer) {
  const { directory, asked } = manager(t)
  const base = scratch(t)
  const env = {
    HOME: base,
    PBT_HOME: join(base, '.config/pbt'),
    PATH: `${directory}:${process.env.PATH}`,
    XDG_CONFIG_HOME: '',
  }
  const home = new Home(t, env)
  const init = program(
    t,
    CLIENT,
    ['init', '-', '--server', `localhost:${server.https}`, '--ca', server.ca],
    env,
    server.token,
  )
  assert.equal((await init.exited).code, 0, init.stderr)
  const unit = join(base, '.config/systemd/user/pbt.service')
  return { home, asked, unit, base }
}

test('the service: installed once, ten tunnels killed with or without its server and back at its addresses, rebooted, and gone without a trace', async t => {
  let server = await startServer(t)
  const { home, asked, unit, base } = await installedHome(t, server)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const greeting = await rawTarget(t, socket => socket.end('hello'))
  const { port: echo } = await udpTarget(t, datagram => [datagram])
  const listed = [
    ...Array(4).fill(`http: ${target}`),
    ...Array(3).fill(`tcp: ${greeting}`),
    ...Array(3).fill(`udp: ${echo}`),
  ]
  home.write(
    `- http: ${target}\n  domain: app\n${listed
      .slice(1)
      .map(line => `- ${line}\n`)
      .join('')}`,
  )

  const before = readdirSync(join(base, '.config'))
  // The manager that is asked notes only, so that it says so without waiting for the daemon to answer for long.
  const first = home.run('daemon', 'install')
  await until(
    () => existsSync(unit),
    () => 'the unit',
  )
  const supervisor = new Supervisor(t, readFileSync(unit, 'utf8'), { HOME: base, PATH: '/usr/bin:/bin' })
  supervisor.start()
  const installed = await first
  assert.equal(installed.code, 0, installed.stderr)
  assert.match(
    installed.text,
    /wrote .*pbt\.service:[\s\S]*ExecStart=[\s\S]*enable-linger[\s\S]*the daemon runs, process \d+/,
  )
  assert.ok(!readFileSync(unit, 'utf8').includes(server.token))
  const again = await home.run('daemon', 'install')
  assert.match(again.text, /is installed as it should be/)
  assert.deepEqual(
    asked().filter(line => !line.includes('show-environment')),
    [
      'systemctl --user daemon-reload',
      'systemctl --user enable pbt.service',
      'loginctl enable-linger',
      'systemctl --user restart pbt.service',
      'systemctl --user daemon-reload',
      'systemctl --user enable pbt.service',
      'systemctl --user start pbt.service',
    ],
  )

  const addresses = async () => {
    const all = [...(await home.tunnels()).values()].map(({ urls }) =>
      Array.isArray(urls) ? String(urls[0] ?? '') : '',
    )
    return all.sort()
  }
  await until(
    async () => (await addresses()).filter(Boolean).length === 10,
    () => home.log,
  )
  const expected = await addresses()
  const visitor = await udpSocket(t)
  const isUp = async () => {
    for (const url of expected) if (!(await isServed(t, server, new URL(url), visitor))) return false
    return true
  }
  const back = async (what: string) => {
    const began = performance.now()
    await until(isUp, () => `${what}: ${home.log}`)
    assert.ok(performance.now() - began < BACK_MS, `${what} took ${Math.round(performance.now() - began)} ms`)
    assert.deepEqual(await addresses(), expected, what)
  }
  const restart = async () => {
    server = await restartServer(t, server, { ports: { https: server.https, http: server.http } })
  }
  for (let round = 0; round < KILLS; round++) {
    supervisor.signal('SIGKILL')
    await back('the daemon')
    await server.program.end('SIGKILL')
    await restart()
    await back('the server')
    supervisor.signal('SIGKILL')
    await server.program.end('SIGKILL')
    await restart()
    await back('both')
  }
  assert.equal(supervisor.restarts, 2 * KILLS)

  // A reboot, with the server away for its first moments, and a mistake in the list, which takes no other tunnel with it.
  await server.program.end('SIGKILL')
  await supervisor.stop()
  const list = readFileSync(home.file, 'utf8')
  writeFileSync(home.file, `${list}- http: 3000\n  domian: more\n`)
  supervisor.start()
  await home.logged(/cannot be reached/)
  await restart()
  await until(isUp, () => home.log)
  assert.deepEqual(await addresses(), expected)
  assert.match((await home.run('daemon', 'status')).text, /tunnels\.yaml:\d+: http has no option "domian"/)
  writeFileSync(home.file, list)

  // Stopped by command it is not started again; a refused token does not end it, so that nothing is to be prevented.
  assert.equal((await home.json('daemon', 'stop')).code, 0)
  await until(
    () => supervisor.pid === 0,
    () => 'the end',
  )
  const removed = await home.run('daemon', 'uninstall')
  assert.match(removed.text, /removed .*pbt\.service[\s\S]*end again when they log out/)
  assert.match((await home.run('daemon', 'uninstall')).text, /is not installed/)
  assert.deepEqual(readdirSync(join(base, '.config/systemd/user')), [])
  assert.deepEqual(asked().slice(-2), ['systemctl --user daemon-reload', 'loginctl disable-linger'])
  assert.deepEqual(
    readdirSync(join(base, '.config')).filter(name => name !== 'systemd'),
    before,
  )
  // Somebody else's unit is left alone.
  writeFileSync(unit, '[Service]\nExecStart=/bin/true\n')
  const refused = await home.json('daemon', 'install')
  assert.deepEqual([refused.code, refused.events.at(-1)?.code], [1, 'no-service'])
  assert.ok(!readFileSync(unit, 'utf8').includes(MARKER))
})

/**
 * systemd's command as far as a service of the system needs it: what "restart" starts ends with "disable". The machine's own directories
 * for units and state are covered, for programs under `under`.
 */
function machine(t: TestContext) {
  const directory = scratch(t)
  for (const folder of ['etc', 'lib', 'bin']) mkdirSync(join(directory, folder))
  const pid = join(directory, 'pid')
  const script = `case "$1" in
  restart) (exec >/dev/null 2>&1 </dev/null; eval "exec env PBT_HOME=/var/lib/pbt PBT_UNATTENDED=1 $(sed -n 's/^ExecStart=//p' /etc/systemd/system/pbt.service)") & echo $! > '${pid}';;
  disable) kill "$(cat '${pid}')";;
esac`
  writeFileSync(join(directory, 'bin/systemctl'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  t.after(() => spawnSync('sh', ['-c', `kill -9 "$(cat '${pid}')"`]))
  const see = 'mount --bind "$1/etc" /etc/systemd/system && mount --bind "$1/lib" /var/lib && shift && exec "$@"'
  return { directory, under: ['unshare', '--mount', 'sh', '-c', see, 'sh', directory] }
}

test('the service of the system goes on with what root had: its daemon makes room, the addresses stay over a power cut and a reboot, and uninstalling leaves the home alone', {
  skip: !canHaveVps && 'needs root and mount namespaces',
}, async t => {
  let server = await startServer(t)
  const { directory, under } = machine(t)
  const env = { PBT_HOME: join(scratch(t), 'pbt'), PATH: `${directory}/bin:${process.env.PATH}` }
  const home = new Home(t, env)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const place = ['--server', `localhost:${server.https}`, '--ca', server.ca]
  const stored = program(t, CLIENT, ['init', '-', ...place], env, server.token)
  assert.equal((await stored.exited).code, 0, stored.stderr)
  const kept = await home.json('http', String(target), '--detach')
  const name = String(kept.events.at(-1)?.tunnel)

  const install = program(t, CLIENT, ['daemon', 'install', '--system'], env, undefined, undefined, undefined, under)
  assert.equal((await install.exited).code, 0, install.stderr)
  assert.match(
    install.said,
    /wrote \/etc\/systemd\/system\/pbt.service:[\s\S]*DynamicUser=yes[\s\S]*stopped the daemon of [\s\S]*copied [\s\S]*the daemon runs, process \d+/,
  )
  const [unit, own] = [join(directory, 'etc/pbt.service'), join(directory, 'lib/pbt')]
  assert.equal(statSync(unit).mode & 0o777, 0o644)
  assert.equal(statSync(own).mode & 0o777, 0o700)
  for (const file of ['config.json', 'machine-id', 'tunnels.yaml']) {
    assert.equal(statSync(join(own, file)).mode & 0o777, 0o600, file)
  }
  await until(
    async () => /200[\s\S]*here/.test(await get(t, server, name)),
    () => install.said,
  )
  assert.equal((await home.json('daemon', 'status')).events[0]?.state, 'stopped')

  // Power is cut. The machine is up again before its server is, and then its daemon is killed.
  const pid = join(directory, 'pid')
  const isUp = async () => /200[\s\S]*here/.test(await get(t, server, name).catch(() => ''))
  process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL')
  await server.program.end('SIGKILL')
  const supervisor = new Supervisor(t, readFileSync(unit, 'utf8'), { PATH: '/usr/bin:/bin' }, under)
  supervisor.start()
  server = await restartServer(t, server, { ports: { https: server.https, http: server.http } })
  await until(isUp, () => 'the tunnel after the reboot')
  supervisor.signal('SIGKILL')
  await until(
    async () => supervisor.restarts === 1 && (await isUp()),
    () => 'the tunnel after the kill',
  )

  writeFileSync(pid, String(supervisor.pid))
  const uninstall = program(t, CLIENT, ['daemon', 'uninstall', '--system'], env, undefined, undefined, undefined, under)
  assert.equal((await uninstall.exited).code, 0, uninstall.stderr)
  assert.match(uninstall.said, /removed .*pbt.service\nthe token and the tunnels are still in \/var\/lib\/pbt/)
  assert.deepEqual([readdirSync(join(directory, 'etc')), readdirSync(join(directory, 'lib'))], [[], ['pbt']])
  // What "disable --now" ends is not started again.
  await until(
    () => supervisor.pid === 0,
    () => 'the end of the daemon',
  )
  assert.deepEqual([supervisor.restarts, supervisor.lastCode], [1, 0])
})

test('where no systemd answers, two lines say how the daemon is kept running', async t => {
  const base = scratch(t)
  const env = { HOME: base, PBT_HOME: join(base, 'pbt') }
  const home = new Home(t, { ...env, XDG_RUNTIME_DIR: base, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' })
  const { code, stderr } = await home.run('daemon', 'install')
  assert.equal(code, 1)
  assert.match(stderr, /no systemd answers here.*\n.*run "\S+\/pbt daemon run".*\n.*@reboot \S+\/pbt daemon start"/)
  assert.ok(!existsSync(join(base, '.config/systemd')))
})
