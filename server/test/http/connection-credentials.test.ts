// Targets that authenticate the connection and not the request (NTLM, Negotiate): such a connection is its visitor's alone.
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type RunningServer, startPbt } from '../support/programs.ts'
import { sharedPbt, untilIdle } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, type RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const { pbt } = sharedPbt()

const KEPT_MS = 60_000

/** Who a connection was authenticated for; `''`: it was sent a challenge. */
const users = new WeakMap<Socket, string>()

/** Three steps, as NTLM has them: a hello, a challenge, an answer; from then on the connection is its user's. */
function authenticate({ socket, headers }: IncomingMessage): { status: number; challenge?: string; user?: string } {
  const [scheme = '', credentials = ''] = (headers.authorization ?? '').split(' ')
  const known = users.get(socket)
  if (/^(Basic|Bearer)$/.test(scheme)) return { status: 200, user: credentials }
  if (credentials === 'hello') {
    users.set(socket, '')
    return { status: 401, challenge: `${scheme} challenge` }
  }
  if (credentials !== '' && known !== undefined) users.set(socket, credentials)
  const user = users.get(socket)
  return user ? { status: 200, user } : { status: 401, challenge: 'Negotiate, NTLM, Basic realm="files"' }
}

/** The page says whose it is. */
async function intranet(t: TestContext): Promise<number> {
  return await httpTarget(
    t,
    (request: IncomingMessage, response: ServerResponse) => {
      const { status, challenge, user } = authenticate(request)
      if (challenge !== undefined) response.setHeader('WWW-Authenticate', challenge)
      request.resume()
      const page = user === undefined ? 'nobody' : `page of ${user}.`
      response.writeHead(status, { 'Content-Length': page.length }).end(page)
    },
    server => {
      // However slow the machine is, no connection of a visitor ends for its silence.
      server.keepAliveTimeout = KEPT_MS
      server.on('upgrade', (request, socket) => {
        if (authenticate(request).user === undefined) socket.end('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n')
        else acceptUpgrade(request, socket)
      })
    },
  )
}

const get = (authorization = '', more = '') =>
  `GET / HTTP/1.1\r\nHost: app.localhost\r\n${authorization === '' ? '' : `Authorization: ${authorization}\r\n`}${more}\r\n`

/** One request and its answer on a connection that goes on. */
async function ask(visitor: RawVisitor, text: string): Promise<string> {
  const before = visitor.text.length
  visitor.send(text)
  // Each page ends with its user and a dot, or says that it is nobody's.
  await visitor.until(() => /\r\n\r\n(nobody|page of \w+\.)$/.test(visitor.text.slice(before)))
  return visitor.text.slice(before)
}

async function logIn(visitor: RawVisitor, scheme: string, user: string): Promise<void> {
  assert.match(await ask(visitor, get(`${scheme} hello`)), /^HTTP\/1\.1 401 [\s\S]*www-authenticate: [\w-]+ challenge/i)
  assert.match(await ask(visitor, get(`${scheme} ${user}`)), new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*page of ${user}\\.$`))
}

async function isNobody(server: RunningServer, t: TestContext): Promise<void> {
  for (const visit of [rawVisitor, rawTlsVisitor]) {
    assert.match(await ask(await visit(t, server), get()), /^HTTP\/1\.1 401 [\s\S]*nobody$/)
  }
  const session = await http2Visitor(t, server)
  assert.equal((await http2Request(session, {})).status, 401)
  const upgrade = await rawVisitor(t, server)
  upgrade.send(upgradeRequest())
  assert.match(await upgrade.until(/\r\n\r\n/), /^HTTP\/1\.1 401 /)
}

// A scheme that nobody knows may be one of these.
for (const scheme of ['NTLM', 'Negotiate', 'Kerberos', 'Unheard-Of']) {
  test(`C10: a connection that ${scheme} has authenticated for a visitor is never another's, and stays the visitor's`, async t => {
    const { server } = await pbt(await intranet(t))
    const alice = await rawTlsVisitor(t, server)
    const carol = await rawVisitor(t, server)
    await isNobody(server, t)
    await logIn(alice, scheme, 'alice')
    await isNobody(server, t)
    await logIn(carol, scheme, 'carol')
    for (let round = 0; round < 3; round++) {
      assert.match(await ask(alice, get()), /page of alice\.$/)
      assert.match(await ask(carol, get()), /page of carol\.$/)
      await isNobody(server, t)
    }
    // What follows on her connection is hers as well.
    alice.send(upgradeRequest())
    await alice.until(/HTTP\/1\.1 101 /)
    await isNobody(server, t)
  })
}

test('C10: streams of one HTTP/2 connection are one visitor, those of another are not', async t => {
  const { server } = await pbt(await intranet(t))
  const [alice, bob] = [await http2Visitor(t, server), await http2Visitor(t, server)]
  assert.equal((await http2Request(alice, { authorization: 'NTLM hello' })).status, 401)
  assert.equal((await http2Request(alice, { authorization: 'NTLM alice' })).status, 200)
  for (let round = 0; round < 3; round++) {
    assert.equal(String((await http2Request(alice, {})).body), 'page of alice.')
    assert.equal((await http2Request(bob, {})).status, 401)
  }
})

test('C10: behind a proxy, whose connections are of many visitors, such a connection is used once', async t => {
  const { server } = await startPbt(t, await intranet(t), { serverArgs: ['--trusted-proxies', '127.0.0.1'] })
  const proxy = await rawVisitor(t, server)
  const from = 'X-Forwarded-For: 203.0.113.7\r\n'
  assert.match(await ask(proxy, get('NTLM hello', from)), /^HTTP\/1\.1 401 /)
  // Not the connection that was sent the challenge.
  assert.match(await ask(proxy, get('NTLM alice', from)), /^HTTP\/1\.1 401 /)
  assert.match(await ask(proxy, get('', from)), /nobody$/)
})

test('C10: credentials that go with each request leave nothing, and connections are shared', async t => {
  const seen = new Set<Socket>()
  const target = await httpTarget(t, (request, response) => {
    seen.add(request.socket)
    response
      .setHeader('WWW-Authenticate', 'Basic realm="intranet"')
      .writeHead(401, { 'Content-Length': 6 })
      .end('nobody')
  })
  const { server, client, home } = await pbt(target)
  for (const authorization of ['', 'Basic YTpi', 'Bearer abc', 'Digest username="a"', 'Token 1']) {
    await ask(await rawVisitor(t, server), get(authorization))
    await untilIdle(home, client)
  }
  assert.equal(seen.size, 1)
})

test('C8: after an answer that came before its request was whole, the connection is not used again', async t => {
  let connections = 0
  const target = await rawTarget(t, socket => {
    const index = connections++
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!/\r\n\r\n/.test(text) || socket.bytesWritten > 0) return
      // The rest of the request is never looked at.
      socket.write(`HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 11\r\n\r\npage `)
      socket.once('data', () => socket.write(`of n${index}.`))
    })
  })
  const { server } = await pbt(target)
  const visitor = await rawVisitor(t, server)
  const post = 'POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 10\r\n\r\n'
  for (let count = 0; count < 3; count++) {
    visitor.send(post)
    await visitor.until(() => visitor.text.split('page ').length === count + 2)
    visitor.send('0123456789')
    await visitor.until(new RegExp(`of n${count}\\.`))
  }
  assert.equal(connections, 3)
})
