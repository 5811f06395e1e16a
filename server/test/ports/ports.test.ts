// Ports over restarts, with real programs: ports outside of the range, ports that others have.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  CLIENT,
  clientEnv,
  program,
  type RunningServer,
  restartServer,
  scratch,
  startClient,
  startServer,
} from '../support/programs.ts'

async function restarted(t: Parameters<typeof startServer>[0], server: RunningServer, serverArgs: string[] = []) {
  await server.program.end()
  return await restartServer(t, server, { ports: server, serverArgs })
}

test('F6: ports that are reserved outside of the range are kept and not listened on, and the server says so', async t => {
  const first = await startServer(t)
  const home = join(scratch(t), 'client')
  const { client, port } = await startClient(t, first, ['tcp', '22'], { home })
  await client.end()
  const narrow = await restarted(t, first, ['--port-range', `${port + 1}-${port + 2}`])
  const others = createServer().listen(port, '127.0.0.1')
  await once(others, 'listening') // another program may have it
  others.close()
  const warning = /"level":"warn","message":"reserved ports are kept but outside of port-range","ports":\["tcp:(\d+)"\]/
  assert.equal(warning.exec(narrow.program.stderr)?.[1], String(port))
  const moved = await startClient(t, narrow, ['tcp', '22'], { home })
  assert.ok(moved.port > port)
  await moved.client.end()
  const wide = await restarted(t, narrow)
  assert.equal((await startClient(t, wide, ['tcp', '22', '--reserve-port', String(port)], { home })).port, port)
})

test('F6: a port that another program has, or pbt-server itself, is told with what to do', async t => {
  const first = await startServer(t)
  const home = join(scratch(t), 'client')
  const { client, port } = await startClient(t, first, ['tcp', '22'], { home })
  await client.end()
  await first.program.end()
  const others = createServer().listen(port, '127.0.0.1')
  await once(others, 'listening')
  t.after(() => others.close())
  const range = ['--port-range', '10000-40000']
  const server = await restartServer(t, first, { ports: first, serverArgs: range })
  const moved = await startClient(t, server, ['tcp', '22'], { home })
  assert.notEqual(moved.port, port)
  const line = await server.program.until(
    () => server.program.stderr.split('\n').find(each => each.includes('the tunnel got another one')),
    'a warning',
  )
  const { level, port: old, reason, given } = JSON.parse(line)
  const expected = { level: 'warn', old: port, reason: 'another program uses it', given: moved.port }
  assert.deepEqual({ level, old, reason, given }, expected)

  for (const [wanted, words] of [
    [server.https, /pbt-server itself uses it.*choose another port/],
    [server.http, /pbt-server itself uses it.*choose another port/],
    [port, /another program uses it.*end that program/],
  ] as const) {
    const args = ['tcp', '22', '--reserve-port', String(wanted), '--json']
    const refused = program(t, CLIENT, args, clientEnv(t, server))
    const { code, message, cure } = await refused.event('error')
    assert.equal(code, 'port-taken')
    assert.match(`${message}; ${cure}`, words)
    assert.equal((await refused.exited).code, 4)
  }
})
