// Reverse proxies in front of the server, trusted and not: whom allowlists, limits, records and targets see.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { readLog } from '../support/access-log.ts'
import { type RunningServer, startClient, startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawVisitor } from '../support/visitors.ts'
import { acceptOf, upgradeRequest, WEBSOCKET_KEY } from '../support/websocket.ts'

const PROXY = '127.0.0.2'
const STRANGER = '127.0.0.3'

/** A target that tells what it was told, and the server that trusts one proxy. */
async function proxied(t: TestContext, ...serverArgs: string[]) {
  const target = await httpTarget(
    t,
    (request, response) => response.end(JSON.stringify(request.headers)),
    server =>
      server.on('upgrade', (_request, socket) => {
        socket.end(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(WEBSOCKET_KEY)}\r\n\r\n`,
        )
      }),
  )
  const { server } = await startPbt(t, target, { serverArgs: ['--trusted-proxies', PROXY, ...serverArgs] })
  await startClient(t, server, ['http', String(target), '--domain', 'closed', '--allow', '203.0.113.0/24'])
  return server
}

async function ask(t: TestContext, server: RunningServer, from: string, host: string, fields: string): Promise<string> {
  const visitor = await rawVisitor(t, server, from)
  visitor.send(`GET /path HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`)
  await visitor.over()
  return visitor.text
}

test('B6: a trusted proxy is believed and added to, everybody else is not', async t => {
  const server = await proxied(t)
  const fields =
    'X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example.com\r\nX-Real-IP: 9.9.9.9\r\n'
  const headersOf = (text: string): Record<string, string> => JSON.parse(text.split('\r\n\r\n')[1] ?? '')
  const trusted = headersOf(await ask(t, server, PROXY, 'app.localhost', fields))
  assert.equal(trusted['x-forwarded-for'], `198.51.100.1, 203.0.113.7, ${PROXY}`)
  assert.equal(trusted['x-forwarded-proto'], 'https')
  assert.equal(trusted['x-forwarded-host'], 'public.example.com')
  assert.equal(trusted['x-forwarded-port'], '443')
  assert.equal(trusted['x-real-ip'], '203.0.113.7')
  assert.match(
    trusted.forwarded ?? '',
    /^for=203\.0\.113\.7;host="public\.example\.com";proto=https, for=127\.0\.0\.2;/,
  )
  const forged = headersOf(await ask(t, server, STRANGER, 'app.localhost', fields))
  assert.equal(forged['x-forwarded-for'], STRANGER)
  assert.equal(forged['x-forwarded-proto'], 'http')
  assert.equal(forged['x-real-ip'], STRANGER)
  assert.equal(forged.host, 'app.localhost')
})

test('B6: what only a proxy may say passes from a trusted one when the owner names it, and from nobody else', async t => {
  const fields =
    'X-Forwarded-For: 203.0.113.7\r\nRemote-User: ann\r\nRemote_User: eve\r\nRemote-Groups: eve\r\nX-Original-URL: /eve\r\n'
  const usersOf = async (server: RunningServer, from: string, more = '') =>
    (await ask(t, server, from, 'app.localhost', fields + more)).match(/ann|eve/g)
  const named = await proxied(t, '--proxy-fields', 'Remote-User,X-Forwarded-User')
  assert.deepEqual(await usersOf(named, PROXY), ['ann'])
  assert.deepEqual(await usersOf(named, PROXY, 'X-Forwarded-User: ann\r\n'), ['ann', 'ann'])
  assert.equal(await usersOf(named, STRANGER, 'X-Forwarded-User: eve\r\n'), null)
  // The proxy's own request, which names nobody.
  assert.match(await ask(t, named, PROXY, 'app.localhost', 'Remote-User: ann\r\n'), /"remote-user":"ann"/)
  const session = await http2Visitor(t, named, 'app.localhost', PROXY)
  const { body } = await http2Request(session, { 'x-forwarded-for': '203.0.113.7', 'remote-user': 'ann', proxy: 'eve' })
  assert.deepEqual(body.toString().match(/ann|eve/g), ['ann'])
  assert.equal(await usersOf(await proxied(t), PROXY), null)
})

test('B5: an allowlist judges the visitor behind a trusted proxy, for each request and upgrade', async t => {
  const server = await proxied(t, '--drain-seconds', '1')
  const cases: readonly (readonly [from: string, fields: string, status: number])[] = [
    [PROXY, 'X-Forwarded-For: 203.0.113.7\r\n', 200],
    [PROXY, 'Forwarded: for="203.0.113.7:4711"\r\n', 200],
    [PROXY, 'X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n', 403],
    [PROXY, 'X-Forwarded-For: 203.0.113.7, garbage\r\n', 403],
    [PROXY, 'X-Forwarded-For: fe80::1%eth0\r\n', 403],
    [PROXY, `X-Forwarded-For: 203.0.113.7${`, ${PROXY}`.repeat(100)}\r\n`, 403],
    [PROXY, 'Forwarded: for="203.0.113.7\r\n', 403],
    [PROXY, '', 403],
    [STRANGER, 'X-Forwarded-For: 203.0.113.7\r\n', 403],
  ]
  for (const [from, fields, status] of cases) {
    assert.match(await ask(t, server, from, 'closed.localhost', fields), new RegExp(`^HTTP/1.1 ${status} `), fields)
  }
  // One connection of the proxy has the requests of many visitors.
  const visitor = await rawVisitor(t, server, PROXY)
  for (const [address, status] of [
    ['203.0.113.7', 200],
    ['198.51.100.1', 403],
    ['203.0.113.8', 200],
  ] as const) {
    visitor.text = ''
    visitor.send(`GET / HTTP/1.1\r\nHost: closed.localhost\r\nX-Forwarded-For: ${address}\r\n\r\n`)
    await visitor.until(/\r\n\r\n[\s\S]+/)
    assert.match(visitor.text, new RegExp(`^HTTP/1.1 ${status} `))
  }
  const session = await http2Visitor(t, server, 'closed.localhost', PROXY)
  const statuses = await Promise.all(
    ['203.0.113.7', '198.51.100.1', '203.0.113.9'].map(async address => {
      const { status } = await http2Request(session, { 'x-forwarded-for': address })
      return status
    }),
  )
  assert.deepEqual(statuses, [200, 403, 200])
  for (const [address, status] of [
    ['203.0.113.7', 101],
    ['198.51.100.1', 403],
  ] as const) {
    const upgrade = await rawVisitor(t, server, PROXY)
    upgrade.send(upgradeRequest('/', 'closed.localhost').replace('\r\n\r\n', `\r\nX-Forwarded-For: ${address}\r\n\r\n`))
    await upgrade.until(/\r\n\r\n/)
    assert.match(upgrade.text, new RegExp(`^HTTP/1.1 ${status} `))
  }
  await server.program.end()
  const log = readLog(t, server.dataDir)
  const found = new Set(log.records({ limit: 1_000 }).map(({ visitor }) => visitor))
  for (const address of ['203.0.113.7', '198.51.100.1', 'unknown', STRANGER]) assert.ok(found.has(address), address)
})

test('limits are those of the visitor behind a trusted proxy, not of the proxy', async t => {
  const answers: (() => void)[] = []
  let arrived: () => void = () => {}
  const target = await httpTarget(t, (_request, response) => {
    answers.push(() => response.end('done'))
    arrived()
  })
  const underWay = async (count: number) => {
    while (answers.length < count) {
      await new Promise<void>(resolve => {
        arrived = resolve
      })
    }
  }
  const { server } = await startPbt(t, target, {
    serverArgs: ['--trusted-proxies', PROXY, '--connections-per-address', '3'],
  })
  const request = (address: string) =>
    `GET / HTTP/1.1\r\nHost: app.localhost\r\nX-Forwarded-For: ${address}\r\nConnection: close\r\n\r\n`
  const ask = async (address: string) => {
    const visitor = await rawVisitor(t, server, PROXY)
    visitor.send(request(address))
    return visitor
  }
  const open = [await ask('203.0.113.7'), await ask('203.0.113.7'), await ask('203.0.113.7'), await ask('203.0.113.8')]
  await underWay(4)
  const fifth = await ask('203.0.113.7')
  assert.match(await fifth.until(/\r\n\r\n/), /^HTTP\/1\.1 429 [\s\S]*pbt-error: limited/)
  for (const answer of answers) answer()
  for (const visitor of open) assert.match(await visitor.until(/done/), /^HTTP\/1\.1 200 /)
  const again = await ask('203.0.113.7')
  await underWay(5)
  answers.at(-1)?.()
  assert.match(await again.until(/done/), /^HTTP\/1\.1 200 /)
})
