// The server is killed at every step of an order: the next one begins anew, within what the CA allows, and nothing is lost.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { lastingPort } from '../support/ports.ts'
import { program, restartServer, SERVER, startServer } from '../support/programs.ts'
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

test('I3, I4: kill -9 in the middle of orders', async t => {
  if (!hasPebble(t)) return
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const pebble = await startPebble(t, { httpPort: ports.http })
  const proxy = await startFaultProxy(t, pebble)
  const serverArgs = [
    ...['--acme-directory', proxy.directory, '--acme-ca', pebble.caFile],
    ...['--dns-resolver', pebble.dnsServer, '--public-address', '127.0.0.1'],
  ]
  let server = await startServer(t, { ports, serverArgs })
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
    await server.program.end('SIGKILL')
    server = await restartServer(t, server, { ports, serverArgs })
    const { program: next } = server
    const has = () => /a certificate has come/.test(next.stderr) || undefined
    await next.until(has, `a certificate after a kill at ${stage}`, ORDER_MS)
    const socket = connect({ port: server.https, host: '127.0.0.1', servername: name, ca: root })
    await once(socket, 'secureConnect')
    socket.destroy()
    const orders = proxy.of('newOrder').filter(({ payload = '' }) => payload.includes(name))
    assert.ok(orders.length <= 2, `${orders.length} orders for ${name}`)
  }
})
