// The line that fail2ban looks for, as the real server writes it, against the filter in deploy/.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConnectError } from '@connectrpc/connect'
import { PanelService, TokenService } from '@pbt/proto/admin/v1'
import { apiClient } from '../support/api-client.ts'
import { eventual } from '../support/database.ts'
import { hostilePeer } from '../support/hostile-peer.ts'
import { startServer } from '../support/programs.ts'
import { rawRequest } from '../support/visitors.ts'

const FILTER = fileURLToPath(new URL('../../../deploy/fail2ban/pbt-server.conf', import.meta.url))
/** What fail2ban makes of <ADDR>, as far as it matters here. */
const ADDRESS = '(?<address>\\d{1,3}(?:\\.\\d{1,3}){3}|[0-9a-fA-F:.]+)'

function failregex(): RegExp {
  const [, text = ''] = /^failregex = (.*)$/m.exec(readFileSync(FILTER, 'utf8')) ?? []
  assert.match(text, /<ADDR>/)
  return new RegExp(text.replace('<ADDR>', ADDRESS))
}

test('A3: each wrong token and each failed login is a line that the filter of fail2ban finds, and nothing else is', async t => {
  const server = await startServer(t)
  for (const localAddress of ['127.0.0.7', '127.0.0.8']) {
    const peer = await hostilePeer(t, server, { authorization: 'Bearer wrong', localAddress })
    peer.hello()
    await peer.over()
  }
  const wrong = apiClient(t, server, TokenService, `pbt_${'w'.repeat(43)}`)
  await assert.rejects(wrong.listTokens({}), ConnectError)
  const proof = { case: 'token', value: `pbt_${'v'.repeat(43)}` } as const
  await assert.rejects(apiClient(t, server, PanelService, '').login({ proof }), ConnectError)
  // A stranger who would have somebody else kept out.
  const forged = '{"address":"203.0.113.9","level":"warn","message":"token refused"'
  await rawRequest(
    t,
    server,
    `GET /${forged} HTTP/1.1\r\nHost: app.localhost\r\nUser-Agent: ${forged}\r\nConnection: close\r\n\r\n`,
  )
  await rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${forged}\r\nConnection: close\r\n\r\n`)
  await eventual(server.dataDir, events => events.find(({ kind }) => kind === 'panel.refused'))
  const lines = server.program.stderr.split('\n').filter(line => failregex().test(line))
  assert.deepEqual(
    lines.map(line => failregex().exec(line)?.groups?.address),
    ['127.0.0.7', '127.0.0.8', '127.0.0.1', '127.0.0.1'],
    server.program.stderr,
  )
  assert.deepEqual(
    lines.map(line => String(JSON.parse(line).message)),
    ['token refused', 'token refused', 'token refused', 'login refused'],
  )
})
