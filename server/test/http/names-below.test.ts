// Names of several labels below the base domain, and wildcards: what they lead to, and that their tunnels keep them.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type RunningServer, restartServer, startClient } from '../support/programs.ts'
import { askForTunnel, sharedPbt } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest, rawTlsVisitor } from '../support/visitors.ts'

async function answerOf(t: TestContext, server: RunningServer, host: string): Promise<string> {
  const answer = await rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  return answer.startsWith('HTTP/1.1 200') ? (answer.split('\r\n\r\n')[1] ?? '') : answer.slice(9, 12)
}

const { house } = sharedPbt()

test('names that would pass for the server itself, or stand for all of it, are refused with why', async () => {
  const { home, client } = await house()
  for (const [name, why] of [
    ['*.localhost', /reserved: the server itself has it/],
    ['*.admin', /reserved: pbt keeps it for itself/],
    ['a.link.localhost', /reserved: pbt keeps it for itself/],
    ['a.*.app.localhost', /a wildcard "\*\." may come once, before a name/],
  ] as const) {
    const told = await askForTunnel(home, client, { http: 1, domain: name })
    assert.equal(told.event, 'error')
    assert.match(String(told.message), why)
  }
})

// The last one: the server that all share is restarted.
test('a name of several labels and a wildcard lead to their tunnels, the exact name first, over TLS and after restarts', async t => {
  const wild = await httpTarget(t, (request, response) => response.end(`wild ${request.headers.host}`))
  const exact = await httpTarget(t, (_request, response) => response.end('exact'))
  const { server } = await house()
  const names = ['*.app', 'x.app.localhost', '*.deep.er.localhost']
  const [first, second, third] = names.map(name => `domain=${name}`)
  const args = ['up', `http:${wild},${first},${third}`, `http:${exact},${second}`]
  const { client } = await startClient(t, server, args)
  const online = () => client.events.filter(({ event }) => event === 'online')
  await client.until(() => (online().length === 2 ? true : undefined), 'two tunnels')
  const urls = online().flatMap(each => each.urls)
  assert.deepEqual(
    urls.sort(),
    names.map(name => `https://${name.replace(/(\.localhost)?$/, '.localhost')}:${server.https}`).sort(),
  )
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'waiting'),
    [],
  )

  const expected = {
    'x.app.localhost': 'exact',
    'any.app.localhost': 'wild any.app.localhost',
    'a.deep.er.localhost': 'wild a.deep.er.localhost',
    'app.localhost': '404',
    'b.any.app.localhost': '404',
  }
  for (const [host, answer] of Object.entries(expected)) assert.equal(await answerOf(t, server, host), answer, host)
  const visit = await rawTlsVisitor(t, server, 'any.app.localhost')
  visit.send('GET / HTTP/1.1\r\nHost: any.app.localhost\r\nConnection: close\r\n\r\n')
  await visit.over()
  assert.match(visit.text, /wild any\.app\.localhost/)

  await server.program.end()
  const again = await restartServer(t, server, { ports: server })
  // Whoever comes before the client is back waits for it.
  assert.equal(await answerOf(t, again, 'other.app.localhost'), 'wild other.app.localhost')
  assert.equal(await answerOf(t, again, 'x.app.localhost'), 'exact')
})
