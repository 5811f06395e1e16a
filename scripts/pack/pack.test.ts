import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { packagedNode } from '../../launch/launch.js'
import { needs } from '../../server/test/certs/support/debian.ts'
import { hasDnsWorld } from '../../server/test/certs/support/dns-world.ts'
import { hasPebble } from '../../server/test/certs/support/pebble.ts'
import { canHaveMachine } from '../../server/test/support/machine.ts'
import { clientEnv, program, ROOT, type RunningServer, scratch } from '../../server/test/support/programs.ts'
import { walkRunbook } from '../../server/test/support/runbook.ts'
import { httpTarget } from '../../server/test/support/targets.ts'
import { rawRequest } from '../../server/test/support/visitors.ts'
import { pack } from './pack.ts'

/** Of what is installed, without Node. */
const MOST_SERVER_MB = 200
const MOST_CLIENT_MB = 40
const STEP_MS = 240_000

let made: ReturnType<typeof pack> | undefined

/** Once for both tests. */
function packed(): ReturnType<typeof pack> {
  made ??= pack({ panel: 'as it is' })
  return made
}

function megabytesIn(folder: string): number {
  const sizes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => lstatSync(join(folder, name)))
  return sizes.filter(each => each.isFile()).reduce((sum, { size }) => sum + size, 0) / 1e6
}

/** As npm unpacks them, which the runbook shows; the server gets this workspace's Node, the client runs under that of the path. */
function unpack(home: string, server: string, client: string): void {
  for (const [name, file] of [
    ['server', server],
    ['client', client],
  ] as const) {
    mkdirSync(join(home, name), { recursive: true })
    execFileSync('tar', ['-xzf', file, '-C', join(home, name), '--strip-components=1'], { timeout: STEP_MS })
  }
}

/** The Node of this workspace where npm puts one. */
function pinNode(home: string): void {
  const bin = join(home, 'server/node_modules/.bin')
  mkdirSync(bin, { recursive: true })
  const node = packagedNode()
  assert.ok(node)
  symlinkSync(node, join(bin, 'node'))
}

/** A server from what is installed, ready. */
async function startInstalled(t: TestContext, file: string, dataDir: string): Promise<RunningServer> {
  const init = program(t, file, ['init', '--json', '--data-dir', dataDir])
  const { token } = await init.event('initialised')
  await init.exited
  const ports = ['--https-port', '0', '--http-port', '0']
  const started = program(t, file, ['start', '--json', '--data-dir', dataDir, ...ports])
  const { https, http, ca } = await started.event('ready')
  return { program: started, dataDir, token: String(token), https: Number(https), http: Number(http), ca: String(ca) }
}

test('packages: the tarballs and the one file open tunnels, are small enough, and bring no tests and no types', async t => {
  const [server = '', client = '', bundle = ''] = await packed()
  assert.equal(readdirSync(join(ROOT, 'dist')).filter(name => name.endsWith('.tgz')).length, 2)
  const prefix = scratch(t)
  const home = join(prefix, '@pbt-tunnel')
  unpack(home, server, client)
  const [serverMb, clientMb] = [megabytesIn(join(home, 'server')), megabytesIn(join(home, 'client'))]
  const fileMb = (statSync(bundle).size / 1e6).toFixed(1)
  t.diagnostic(`server ${serverMb.toFixed(1)} MB, client ${clientMb.toFixed(1)} MB, one file ${fileMb} MB`)
  assert.ok(serverMb < MOST_SERVER_MB && clientMb < MOST_CLIENT_MB)
  const needless = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter(name =>
    /\.test\.js$|\.ts$/.test(name),
  )
  assert.deepEqual(needless, [])

  pinNode(home)
  const [pbtServer, pbt] = [join(home, 'server/server/bin/pbt-server'), join(home, 'client/client/bin/pbt')]
  const target = await httpTarget(t, (_request, response) => response.end('through the package'))
  const running = await startInstalled(t, pbtServer, join(prefix, 'data'))
  for (const [name, file] of [
    ['tarball', pbt],
    ['file', bundle],
  ] as const) {
    const began = performance.now()
    const args = ['http', String(target), '--domain', name, '--json']
    const opened = program(t, file, args, clientEnv(t, running))
    await opened.event('online')
    t.diagnostic(`pbt from the ${name}: online after ${Math.round(performance.now() - began)} ms`)
    const text = `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`
    assert.match(await rawRequest(t, running, text), /through the package/)
    const said = execFileSync(file, ['--version'], { encoding: 'utf8' })
    assert.match(said, /^pbt \d+\.\d+\.\d+, protocol \d+\.\d+, Node \d+\.\d+\.\d+\n$/)
    assert.deepEqual(await opened.end(), { code: 0, signal: null })
  }
  // The log is written by a worker thread, which is a file of its own.
  const log = program(t, pbtServer, ['log', '--json', '--data-dir', running.dataDir])
  await log.exited
  assert.ok(log.visitEvents.length + log.events.length >= 2, `${JSON.stringify(log.events)} ${log.stderr}`)
  assert.equal(readFileSync(running.program.child.spawnfile, 'utf8').slice(0, 2), '#!')
  assert.deepEqual(await running.program.end(), { code: 0, signal: null })
})

const skip = canHaveMachine ? false : 'overlays and networks of its own are not to be had here'

test('runbook: its commands install, serve, back up, upgrade, restore, move and uninstall', { skip }, async t => {
  const files = ['/usr/sbin/nft', '/usr/sbin/ufw', '/usr/bin/faketime']
  if (!hasPebble(t) || !(await hasDnsWorld(t)) || !needs(t, ['nftables', 'ufw', 'faketime'], files)) return
  await packed()
  await walkRunbook(t, { perSecond: 20, tell: text => t.diagnostic(text) })
})
