// Targets that are down, slow, silent or rude: each visitor learns it at once, and neither session nor others notice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { lastingPort } from '../support/ports.ts'
import { type Program, startPbt } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/** The session has lasted: nothing of what the target did is a reason to end it. */
function hasLasted(client: Program): void {
  assert.deepEqual(
    client.events.map(({ event }) => event).filter(event => event === 'reconnecting' || event === 'offline'),
    [],
  )
}

test('H10: a target that is down is told with 502, and served by the next request once it is up', async t => {
  const { port, up } = await reservedPort(t)
  const { server, client } = await startPbt(t, port)
  for (let round = 0; round < 2; round++) {
    assert.match(await rawRequest(t, server, GET), /^HTTP\/1.1 502 [\s\S]*pbt-error: target-unreachable/)
    const down = await up()
    assert.match(await rawRequest(t, server, GET), /^HTTP\/1.1 200 [\s\S]*up$/)
    await down()
  }
  hasLasted(client)
})

test('H10: a target that accepts and closes is told with 502', async t => {
  const port = await rawTarget(t, socket => socket.end())
  const { server, client } = await startPbt(t, port)
  for (let round = 0; round < 3; round++) {
    assert.match(await rawRequest(t, server, GET), /^HTTP\/1.1 502 [\s\S]*pbt-error: target-broke/)
  }
  hasLasted(client)
})

test('H10: a target that hangs is told with 504 where a limit is set, and others are served meanwhile', async t => {
  const port = await httpTarget(t, (request, response) => {
    if (request.url !== '/hang') response.end('quick')
  })
  const { server, client } = await startPbt(t, port, { serverArgs: ['--response-timeout-seconds', '2'] })
  const hanging = rawRequest(t, server, GET.replace('/ ', '/hang '))
  assert.match(await rawRequest(t, server, GET), /200 OK[\s\S]*quick/)
  assert.match(await hanging, /^HTTP\/1.1 504 [\s\S]*pbt-error: target-timeout/)
  hasLasted(client)
})

test('H10: a slow target is waited for', async t => {
  const port = await rawTarget(t, socket => {
    socket.once('data', () => {
      const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow'
      let sent = 0
      const timer = setInterval(() => {
        socket.write(answer.charAt(sent++))
        if (sent === answer.length) clearInterval(timer)
      }, 20)
      socket.once('close', () => clearInterval(timer))
    })
  })
  const { server, client } = await startPbt(t, port)
  assert.match(await rawRequest(t, server, GET), /^HTTP\/1.1 200 OK[\s\S]*slow$/)
  hasLasted(client)
})

/** A port on which a service can be started and ended; nobody listens at first. */
async function reservedPort(t: TestContext) {
  const port = await lastingPort()
  const up = async () => {
    const service = createServer((_request, response) => response.end('up')).listen(port, '127.0.0.1')
    await once(service, 'listening')
    t.after(() => service.close())
    return async () => {
      service.closeAllConnections()
      service.close()
      await once(service, 'close')
    }
  }
  return { port, up }
}
