// Who may call the admin API, against the real server: tokens, hosts, other sites, and what no request may do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminSocket, callApi, rawAdmin } from '../support/admin.ts'
import { ODD_HOSTS, ODD_TARGETS } from '../support/odd-requests.ts'
import { CLIENT, clientEnv, program, startServer, startTunnel } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest, rawTlsVisitor } from '../support/visitors.ts'

const LIST = 'TokenService/ListTokens'
const OTHER_TOKEN = `pbt_${'a'.repeat(43)}`

/** For all tests but the last: what the server counts it counts by addresses, and they have their own. */
const house = shared(async t => {
  const server = await startServer(t)
  const slow = await adminSocket(t, server)
  const began = performance.now()
  /** How long a call lasted whose body came to a stop before the first test. */
  const slowMs = new Promise<number>(resolve => slow.once('close', () => resolve(performance.now() - began)))
  slow.write(
    `POST /pbt.admin.v1.${LIST} HTTP/1.1\r\nHost: admin.localhost\r\nAuthorization: Bearer ${server.token}\r\nContent-Type: application/json\r\nConnect-Protocol-Version: 1\r\nContent-Length: 100\r\n\r\n{`,
  )
  slow.resume()
  return { server, slowMs }
})

/** The same with a tunnel `app`. */
const withApp = shared(async t => {
  const { server } = await house()
  const target = await httpTarget(t, (request, response) => response.end(`tunnel ${request.url}`))
  await startTunnel(t, server, target, { domain: 'app' })
  return { server }
})

test('A2: whatever is wrong with the authorization gets the same answer, in the words of each protocol', async t => {
  const { server } = await house()
  const { token } = server
  assert.equal((await callApi(t, server, LIST, {}, { token })).status, 200)
  const wrong = [
    '',
    'Bearer',
    `Bearer ${token}x`,
    `Basic ${token}`,
    `Bearer ${'x'.repeat(10_000)}`,
    'Bearer \u00ff\u00fe',
    `Bearer ${token} ${token}`,
  ]
  // From addresses of their own: too many wrong ones of one address are told to wait.
  for (const [index, authorization] of wrong.entries()) {
    const from = `127.0.20.${index + 1}`
    const { status, json } = await callApi(t, server, LIST, {}, { headers: { authorization }, from })
    assert.deepEqual([status, json.code], [401, 'unauthenticated'], authorization.slice(0, 40))
    if (authorization !== '') assert.equal(json.message, 'the token is not valid here')
  }
  const twice = await rawAdmin(
    t,
    server,
    `POST /pbt.admin.v1.${LIST} HTTP/1.1\r\nHost: admin.localhost\r\nAuthorization: Bearer ${token}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nConnect-Protocol-Version: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
  )
  assert.match(twice, /^HTTP\/1\.1 401 /)
  for (const type of ['application/grpc', 'application/grpc-web+proto', 'application/grpc+json']) {
    const { status, headers } = await callApi(
      t,
      server,
      LIST,
      {},
      {
        headers: { 'content-type': type, authorization: `Bearer ${OTHER_TOKEN}` },
        body: Buffer.alloc(5),
        from: '127.0.20.99',
      },
    )
    assert.deepEqual(
      [status, headers['grpc-status'], headers['grpc-message']],
      [200, '16', 'the token is not valid here'],
    )
  }
  const stream = await callApi(
    t,
    server,
    LIST,
    {},
    { headers: { 'content-type': 'application/connect+json' }, body: Buffer.alloc(5) },
  )
  assert.equal(stream.status, 200)
  assert.match(stream.text.slice(5), /^\{"error":\{"code":"unauthenticated"/)
})

test('A3, A9: who shows wrong tokens or wrong logins has to wait; the right token from elsewhere works at once', async t => {
  const { server } = await house()
  const { token } = server
  const from = '127.0.21.1'
  const statuses: number[] = []
  for (let time = 0; time < 12; time++)
    statuses.push((await callApi(t, server, LIST, {}, { token: OTHER_TOKEN, from })).status)
  assert.deepEqual(statuses.slice(0, 9), Array(9).fill(401))
  assert.deepEqual(statuses.slice(10), [429, 429])
  const limited = await callApi(t, server, LIST, {}, { token, from })
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '60'])
  assert.equal((await callApi(t, server, LIST, {}, { token, from: '127.0.21.2' })).status, 200)

  const login = async (proof: object, from: string) =>
    await callApi(t, server, 'PanelService/Login', proof, {
      from,
      headers: { origin: `https://admin.localhost:${server.https}`, 'sec-fetch-site': 'same-origin' },
    })
  const tries: number[] = []
  for (let time = 0; time < 12; time++) {
    tries.push((await login(time % 2 === 0 ? { token: OTHER_TOKEN } : { code: 'guess' }, '127.0.21.3')).status)
  }
  assert.deepEqual([tries.slice(0, 9), tries.slice(10)], [Array(9).fill(401), [429, 429]])
  assert.equal((await login({ token }, '127.0.21.3')).status, 429)
  assert.equal((await login({ token }, '127.0.21.4')).status, 200)
  // One line for each refusal that was looked at, without the token.
  assert.equal(server.program.stderr.split('"login refused"').length - 1 > 8, true)
  assert.ok(!server.program.stderr.includes(OTHER_TOKEN))
})

test('A6: the API answers at its own host alone, by server name and by Host', async t => {
  const { server } = await house()
  const { token } = server
  for (const host of [
    'localhost',
    '127.0.0.1',
    'evil.test',
    `evil.test:${server.https}`,
    'admin.localhost.evil.test',
    'admin.localhost:1',
    'ADMIN.localhost',
    'admin.localhost.',
    `admin.localhost:${server.https}0`,
  ]) {
    const { status, text } = await callApi(t, server, LIST, {}, { token, host })
    assert.deepEqual([status, /token|pbt_/i.test(text)], [421, false], host)
  }
  // The right Host on a connection for a tunnel, or for no name at all.
  const text = `POST /pbt.admin.v1.${LIST} HTTP/1.1\r\nHost: admin.localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nConnect-Protocol-Version: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`
  for (const serverName of ['app.localhost', 'x.y.localhost', '']) {
    const visit = await rawTlsVisitor(t, server, serverName || 'localhost')
    visit.send(text)
    await visit.over()
    assert.match(visit.text, /^HTTP\/1\.1 (421|404) /, serverName)
  }
  const plain = await rawRequest(t, server, text)
  assert.match(plain, /^HTTP\/1\.1 308 [\s\S]*location: https:\/\/admin\.localhost:\d+\/pbt/i)
  assert.ok(!plain.includes('"tokens"'))
})

test('A6: no shape of Host or target ends the process', async t => {
  const { server } = await house()
  for (const host of ODD_HOSTS) {
    const answer = await rawAdmin(
      t,
      server,
      Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1'),
    )
    assert.match(answer, /^HTTP\/1\.1 (400|421|431) |^$/, host.slice(0, 20))
    const { status } = await callApi(t, server, LIST, {}, { token: server.token, host: host || '?' }).catch(() => ({
      status: 0,
    }))
    assert.ok(status === 421 || status === 0 || status === 400, `${host.slice(0, 20)}: ${status}`)
  }
  for (const target of ODD_TARGETS) {
    await rawAdmin(
      t,
      server,
      `POST ${target} HTTP/1.1\r\nHost: admin.localhost\r\nAuthorization: Bearer ${server.token}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    )
  }
  assert.equal((await callApi(t, server, LIST, {}, { token: server.token })).status, 200)
  assert.equal(server.program.child.exitCode, null)
})

test('A7: what a page of another site can send changes nothing', async t => {
  const { server } = await house()
  const { token } = server
  const own = `https://admin.localhost:${server.https}`
  const reserve = 'AddressService/ReserveAddress'
  const cases: [number, Record<string, string>][] = [
    [403, { origin: `https://evil.localhost:${server.https}` }],
    [403, { origin: 'null' }],
    [403, { origin: `${own}.evil.test` }],
    [403, { origin: own.replace('https', 'http') }],
    [403, { origin: own, 'sec-fetch-site': 'same-site' }],
    [403, { origin: own, 'sec-fetch-site': 'cross-site' }],
    [415, { 'content-type': 'text/plain' }],
    [415, { 'content-type': 'application/x-www-form-urlencoded' }],
    [415, { 'content-type': 'multipart/form-data; boundary=x' }],
    [415, { 'content-type': '' }],
    [415, { 'content-type': 'application/jsonp' }],
  ]
  for (const [expected, headers] of cases) {
    const { status, headers: fields } = await callApi(t, server, reserve, { address: 'evil' }, { token, headers })
    assert.equal(status, expected, JSON.stringify(headers))
    assert.equal(fields['access-control-allow-origin'], undefined)
  }
  // Without the field that a form cannot send; by GET; as a preflight.
  assert.equal(
    (await callApi(t, server, reserve, { address: 'evil' }, { token, headers: { 'connect-protocol-version': '' } }))
      .status,
    400,
  )
  const query = `/pbt.admin.v1.${LIST}?connect=v1&encoding=json&message=%7B%7D`
  assert.equal((await callApi(t, server, query, {}, { token, method: 'GET', body: '' })).status, 405)
  assert.equal(
    (await callApi(t, server, reserve, {}, { method: 'OPTIONS', headers: { origin: own }, body: '' })).status,
    405,
  )
  const { json } = await callApi(t, server, 'AddressService/ListAddresses', {}, { token })
  assert.deepEqual(json.addresses ?? [], [])
})

test('A15: what needs no token says nothing, and everything else needs it', async t => {
  const { server } = await house()
  const health = await callApi(t, server, '/healthz', {}, { method: 'GET', body: '' })
  assert.deepEqual([health.status, health.text], [200, 'ok\n'])
  for (const path of ['/debug', '/debug/pprof', '/heap', '/.env', '/pbt.db', '/../pbt.db', '/%2e%2e/pbt.db']) {
    const { status, text } = await callApi(t, server, path, {}, { method: 'GET', body: '' })
    // 503: no panel was built here.
    assert.deepEqual([status === 404 || status === 503, text.includes('SQLite')], [true, false], path)
  }
  // A page of the panel has this name; figures are at a port of their own.
  assert.doesNotMatch((await callApi(t, server, '/metrics', {}, { method: 'GET', body: '' })).text, /# HELP/)
  const hidden = [
    'TokenService/ListTokens',
    'AddressService/ListAddresses',
    'PanelService/ListSessions',
    '/grpc.health.v1.Health/Check',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  ]
  for (const method of hidden) assert.equal((await callApi(t, server, method)).status, 401, method)
})

test('A5: the paths of the API lead to the tunnel on a tunnel’s host, and no tunnel gets the names of the server', async t => {
  const { server } = await withApp()
  const path = `/pbt.admin.v1.${LIST}`
  const answer = await rawRequest(
    t,
    server,
    `POST ${path} HTTP/1.1\r\nHost: app.localhost\r\nAuthorization: Bearer ${server.token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  )
  assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*tunnel \/pbt\.admin\.v1/)
  const refusals = [
    'admin',
    'link',
    'www',
    'api',
    'acme',
    '_x',
    'localhost',
    'ADMIN',
    'admin.localhost.',
    '127.0.0.1',
    '*.admin',
    '\uff41dmin',
  ]
  const specs = refusals.map(name => `http:9,domain=${name}`)
  const client = program(t, CLIENT, ['up', ...specs, '--json'], clientEnv(t, server))
  for (const [index, name] of refusals.entries()) {
    const isRefused = () => client.events.find(({ event, number }) => event === 'error' && number === index + 1)
    const { code } = await client.until(isRefused, `the refusal of ${name}`)
    assert.match(String(code), /^name-(reserved|invalid)$/, name)
  }
  assert.ok(!client.events.some(({ event }) => event === 'online'))
})

test('A10: the admin host sends the fields that protect it, and no tunnel gets any of them', async t => {
  const { server } = await withApp()
  const { headers } = await callApi(t, server, '/', {}, { method: 'GET', body: '' })
  assert.match(
    String(headers['content-security-policy']),
    /^default-src 'none'.*base-uri 'none'.*frame-ancestors 'none'/,
  )
  assert.deepEqual(
    [
      headers['x-frame-options'],
      headers['x-content-type-options'],
      headers['referrer-policy'],
      headers['strict-transport-security'],
    ],
    ['DENY', 'nosniff', 'no-referrer', undefined],
  )
  const visit = await rawTlsVisitor(t, server, 'app.localhost')
  visit.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
  await visit.over()
  assert.match(visit.text, /200 OK[\s\S]*tunnel \//)
  assert.doesNotMatch(visit.text, /content-security-policy|strict-transport|x-frame|referrer-policy/i)
})

test('requests that are huge, slow or compressed are ended, and hold nobody up', async t => {
  const { server, slowMs } = await house()
  const { token } = server
  const huge = await callApi(t, server, LIST, {}, { token, body: Buffer.alloc(2 * 1_048_576, 0x20) })
  assert.ok(huge.status === 429 || huge.status === 400 || huge.status === 413, String(huge.status))
  const packed = await callApi(
    t,
    server,
    LIST,
    {},
    { token, headers: { 'content-encoding': 'gzip' }, body: Buffer.from('x') },
  )
  assert.equal(packed.json.code, 'unimplemented')
  assert.equal((await callApi(t, server, LIST, {}, { token })).status, 200)
  // It held up nobody while all the others were served.
  assert.ok((await slowMs) < 60_000)
})

test('admin-allow keeps everybody else from the admin host, and nobody from tunnels', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t, { serverArgs: ['--admin-allow', '127.0.22.1,::1'] })
  await startTunnel(t, server, target, { domain: 'app' })
  const { token } = server
  const kept = await callApi(t, server, LIST, {}, { token, from: '127.0.22.2' })
  assert.deepEqual([kept.status, /127\.0\.22\.2 is not in admin-allow/.test(kept.text)], [403, true])
  assert.equal((await callApi(t, server, LIST, {}, { token, from: '127.0.22.1' })).status, 200)
  assert.match(
    await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'),
    /200 OK/,
  )
})
