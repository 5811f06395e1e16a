// The server is killed at every step of an order: the next one begins anew, within what the CA allows, nothing is lost, and no key leaks.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { lastingPort } from '../support/ports.ts'
import { program, type RunningServer, restartServer, SERVER, startServer } from '../support/programs.ts'
import { type Stage, startFaultProxy } from './support/fault-proxy.ts'
import { hasPebble, startPebble } from './support/pebble.ts'

/** All of them, again and again, with PBT_KILLS=30. */
const STAGES: readonly Stage[] = [
  'newOrder',
  'challenge',
  'finalize',
  'newAccount',
  'authorization',
  'order',
  'certificate',
]
/** What the server itself gives an order; its process gives way to all others of a busy machine. */
const ORDER_MS = 300_000
const KILLS = Number(process.env.PBT_KILLS ?? 3)
/** As careless a surrounding as there is. */
const CARELESS = ['sh', '-c', 'umask 0; exec "$@"', 'sh']

test('I3, I4: kill -9 in the middle of orders', async t => {
  if (!hasPebble(t)) return
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const pebble = await startPebble(t, { httpPort: ports.http })
  const proxy = await startFaultProxy(t, pebble)
  const serverArgs = [
    ...['--acme-directory', proxy.directory, '--acme-ca', pebble.caFile],
    ...['--dns-resolver', pebble.dnsServer, '--public-address', '127.0.0.1'],
  ]
  const options = { ports, serverArgs, serverUnder: CARELESS }
  let server = await startServer(t, options)
  const root = await pebble.root()
  for (let kill = 0; kill < KILLS; kill++) {
    const stage = STAGES[kill % STAGES.length] ?? 'newOrder'
    const name = `killed${kill}.mine.test`
    const reached = Promise.withResolvers<void>()
    let isFirst = true
    proxy.rule = current => {
      if (current.stage !== stage || !isFirst) return undefined
      isFirst = false
      reached.resolve()
      return { kind: 'hang' }
    }
    const add = program(t, SERVER, ['domain', 'add', name, '--json', '--data-dir', server.dataDir])
    await Promise.all([reached.promise, add.exited])
    keepsKeys(server)
    await server.program.end('SIGKILL')
    server = await restartServer(t, server, options)
    const { program: next } = server
    const has = () => /a certificate has come/.test(next.stderr) || undefined
    await next.until(has, `a certificate after a kill at ${stage}`, ORDER_MS)
    const socket = connect({ port: server.https, host: '127.0.0.1', servername: name, ca: root })
    await once(socket, 'secureConnect')
    socket.destroy()
    const orders = proxy.of('newOrder').filter(({ payload = '' }) => payload.includes(name))
    assert.ok(orders.length <= 2, `${orders.length} orders for ${name}`)
  }
  keepsKeys(server)
})

/** In the middle of an order: what others could read of a key in files, in the log, and in what the system tells of its processes. */
function keepsKeys({ dataDir, program: { child, stderr } }: RunningServer): void {
  const entries = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).map(name => join(dataDir, name))
  // Some may have gone meanwhile.
  const open = [dataDir, ...entries].filter(
    file => ((lstatSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0,
  )
  assert.deepEqual(open, [])
  const keys = entries.filter(file => /keys.[0-9a-f]+\.pem$/.test(file)).flatMap(file => textsOf(file))
  assert.ok(keys.length > 0)
  const processes = family(child.pid ?? 0)
  const told = processes.flatMap(pid => textsOf(`/proc/${pid}/cmdline`, `/proc/${pid}/environ`))
  assert.ok(told.length > 1)
  const [secret] = keys
    .flatMap(key => key.split('\n'))
    .filter(line => /^.{20,}$/.test(line) && [stderr, ...told].some(text => text.includes(line)))
  assert.equal(secret, undefined)
}

/** This process and all below it. */
function family(pid: number): number[] {
  let tasks: string[] = []
  try {
    tasks = readdirSync(`/proc/${pid}/task`)
  } catch {
    return [] // it has ended meanwhile
  }
  const children = tasks.flatMap(task => textsOf(`/proc/${pid}/task/${task}/children`))
  return [pid, ...children.flatMap(text => text.split(' ').filter(Boolean).map(Number)).flatMap(family)]
}

/** Those that are there: keys of orders that failed are removed, and processes end, at any moment. */
function textsOf(...files: readonly string[]): string[] {
  return files.flatMap(file => {
    try {
      return [readFileSync(file, 'latin1')]
    } catch {
      return []
    }
  })
}
