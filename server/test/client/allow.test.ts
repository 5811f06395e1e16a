// `pbt allow`: the owner lets somebody in from the client's side.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ClientService } from '@pbt/proto/admin/v1'
import { apiClient } from '../support/api-client.ts'
import { run } from '../support/commands.ts'
import { eventual } from '../support/database.ts'
import { CLIENT, clientEnv, type RunningServer, scratch, startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const NOBODY_HERE = '198.51.100.0/24'

async function statusOf(t: TestContext, server: RunningServer, name = 'app'): Promise<string> {
  const text = await rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)
  return text.slice(9, 12)
}

test('the owner lets in who is where they are, with the tunnel online and offline, and no other machine’s', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  const home = scratch(t)
  const env = clientEnv(t, server, { home })
  const allow = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(t, CLIENT, ['allow', ...args, '--json'], env)
    const lines = stdout.trim().split('\n')
    return { code, stderr, said: JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> }
  }
  const listed = ['up', `http:${target},domain=app,domain=www2,allow=${NOBODY_HERE}`, `http:${target},domain=open`]
  const { client } = await startClient(t, server, listed, { home })
  await client.until(() => client.events.filter(({ event }) => event === 'online').length === 2 || undefined, 'both')
  assert.equal(await statusOf(t, server), '403')

  const me = await allow('app', 'me', '--for', '8h')
  assert.equal(me.code, 0, JSON.stringify(me))
  assert.deepEqual([me.said.event, me.said.addresses, me.said.everybody], ['allowed', ['app', 'www2'], []])
  assert.deepEqual(me.said.blocks, ['127.0.0.1'])
  assert.ok(Math.abs(Date.parse(String(me.said.until)) - Date.now() - 8 * 3_600_000) < 60_000)
  assert.equal(await statusOf(t, server), '200')
  assert.equal(await statusOf(t, server, 'www2'), '200')
  const changed = await eventual(server.dataDir, events => {
    const found = events.filter(({ kind }) => kind === 'allowlist.changed')
    return found.length >= 2 ? found : undefined
  })
  assert.deepEqual(changed.map(({ subject }) => subject).sort(), ['app', 'www2'])
  for (const { message } of changed) assert.match(message, /127\.0\.0\.1/)
  // The session that runs was not touched.
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'reconnecting' || event === 'closed'),
    [],
  )

  const open = await allow('open', '203.0.113.7')
  assert.deepEqual([open.code, open.said.addresses, open.said.everybody], [0, [], ['open']])
  const bad = await allow('app', '203.0.113.0/33')
  assert.deepEqual([bad.code, bad.said.code], [2, 'usage'])
  assert.match(String(bad.said.message), /203\.0\.113\.0\/33/)
  const unknown = await allow('nope', 'me')
  assert.match(String(unknown.said.message), /no tunnel and no address "nope"/)
  // Commands that check or change something are no clients that are missed when they have gone.
  const checked = await run(t, CLIENT, ['init', '--json'], env)
  assert.equal(checked.code, 0, checked.stderr)
  assert.equal((await run(t, CLIENT, ['doctor', '--json'], env)).code, 0)
  const { clients } = await apiClient(t, server, ClientService).listClients({})
  assert.equal(clients.length, 1, JSON.stringify(clients.map(({ id }) => id)))
  const time = await allow('app', 'me', '--for', 'soon')
  assert.deepEqual([time.code, time.said.code], [2, 'usage'])

  await client.end()
  const offline = await allow('app', '203.0.113.0/24', '2001:db8::/32')
  assert.deepEqual([offline.code, offline.said.blocks], [0, ['203.0.113.0/24', '2001:db8::/32']])
  const stranger = await run(t, CLIENT, ['allow', 'app', 'me'], clientEnv(t, server))
  assert.equal(stranger.code, 1)
  assert.match(stranger.stderr, /this machine has no tunnel and no address "app".*\n.*pbt status/)
})
