// Cookies that a tunnel sets for all others: they pass unless the owner wants tunnels apart, and then none does, by any way.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { lastingPort } from '../support/ports.ts'
import { type RunningServer, startPbt } from '../support/programs.ts'
import { rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawVisitor } from '../support/visitors.ts'

const TOSSED = 'set-cookie: toss=1; Domain=localhost\r\nSet-Cookie: toss=2; path=/; DOMAIN = ".LocalHost" ; Domain=\r\n'
const OWN = 'Set-Cookie: own=1; Domain=localhost; Domain=app.localhost\r\nset-cookie: own=2; Path=/\r\n'
const COOKIES = `${TOSSED}${OWN}`
/** In each answer below, without trailers, which never have cookies. */
const TOSSED_EACH = 2

const ANSWERS: Readonly<Record<string, string>> = {
  '/plain': `HTTP/1.1 200 OK\r\n${COOKIES}Content-Length: 2\r\n\r\nok`,
  '/hints': `HTTP/1.1 103 Early Hints\r\n${COOKIES}\r\nHTTP/1.1 200 OK\r\n${COOKIES}Content-Length: 2\r\n\r\nok`,
  '/trailers': `HTTP/1.1 200 OK\r\n${COOKIES}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n${COOKIES}\r\n`,
  '/none': `HTTP/1.1 304 Not Modified\r\n${COOKIES}\r\n`,
  '/refused': `HTTP/1.1 403 Forbidden\r\n${COOKIES}Content-Length: 2\r\n\r\nno`,
  '/upgraded': `HTTP/1.1 101 Switching Protocols\r\n${COOKIES}Connection: Upgrade\r\nUpgrade: x\r\n\r\nok`,
}

/** A target with these answers behind a server, and the port of its metrics. */
async function open(t: TestContext, ...serverArgs: string[]) {
  const target = await rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const path = text.split(' ')[1] ?? ''
      text = ''
      socket.write(ANSWERS[path] ?? '', 'latin1')
    })
  })
  const metrics = await lastingPort()
  const { server } = await startPbt(t, target, { serverArgs: [...serverArgs, '--metrics-port', String(metrics)] })
  return { server, metrics }
}

/** Every way in which an answer's fields reach a visitor: what came, by what it is called. */
async function visits(t: TestContext, server: RunningServer): Promise<Map<string, string>> {
  const came = new Map<string, string>()
  const request = (path: string, fields: string) => `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\n${fields}\r\n`
  for (const path of ['/plain', '/hints', '/trailers', '/none', '/refused']) {
    came.set(path, await rawRequest(t, server, request(path, 'Connection: close\r\n')))
  }
  const upgrade = 'Connection: Upgrade\r\nUpgrade: x\r\n'
  came.set('a refused upgrade', await rawRequest(t, server, request('/refused', upgrade)))
  const visitor = await rawVisitor(t, server)
  visitor.send(request('/upgraded', upgrade))
  came.set('an upgrade', await visitor.until(/\r\n\r\nok$/))
  visitor.socket.destroy()
  const session = await http2Visitor(t, server)
  for (const path of ['/plain', '/hints', '/trailers', '/none', '/refused']) {
    const { rawHeaders, trailers } = await http2Request(session, { ':path': path })
    came.set(`${path} over HTTP/2`, JSON.stringify([rawHeaders, trailers]))
  }
  return came
}

async function strippedCount(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^pbt_cookies_stripped_total\{tunnel="app".*\} (\d+)/m.exec(text)?.[1] ?? 0)
}

test('A8: with isolate-cookies no tunnel sets a cookie for all others, and those stripped are counted', async t => {
  const { server, metrics } = await open(t, '--isolate-cookies', 'true')
  const came = await visits(t, server)
  for (const [what, text] of came) {
    assert.doesNotMatch(text, /toss/i, what)
    assert.match(text, /own=1; Domain=localhost; Domain=app\.localhost[\s\S]*own=2; Path=\//, what)
  }
  assert.match(came.get('/hints') ?? '', /^HTTP\/1\.1 103 [\s\S]*own=1[\s\S]*HTTP\/1\.1 200 [\s\S]*own=1/)
  // Twice 103 and 200.
  assert.equal(await strippedCount(metrics), TOSSED_EACH * (came.size + 2))
})

test('A8: by default they pass, which one sign-on for several tunnels needs', async t => {
  const { server, metrics } = await open(t)
  for (const [what, text] of await visits(t, server)) {
    assert.match(text, /toss=1; Domain=localhost[\s\S]*toss=2[\s\S]*own=1[\s\S]*own=2/, what)
  }
  assert.equal(await strippedCount(metrics), 0)
})
