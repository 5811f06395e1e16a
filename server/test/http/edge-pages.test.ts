// What strangers see when a request cannot be served: in a browser, with curl, and for programs. Never an address of the owner's network.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { INSTALL_MS, openBrowser } from '../support/browser.ts'
import { lastingPort } from '../support/ports.ts'
import { scratch, startClient, startServer, startTalkingClient } from '../support/programs.ts'
import { shared, startTunnels } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest } from '../support/visitors.ts'
import { upgradeRequest } from '../support/websocket.ts'

const get = (host: string, accept: string) =>
  `GET / HTTP/1.1\r\nHost: ${host}.localhost\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`
const FORMS = ['text/html', 'application/json', '*/*']

/** Tunnels whose requests all fail on the owner's side, by name, with words that only its network has. */
const house = shared(async t => {
  const server = await startServer(t)
  const closed = await lastingPort()
  const breaks = await rawTarget(t, socket => socket.once('data', () => socket.destroy()))
  const odd = await rawTarget(t, socket => socket.once('data', () => socket.end('SSH-2.0-secret_9.9\r\n')))
  const specs = [`http:${closed},domain=closed`, `http:${breaks},domain=breaks`, `http:${odd},domain=odd`]
  const missing = 'http:unix:/run/nas/secret.sock,domain=missing'
  const unknown = 'http:nas.invalid:5001,domain=unknown-name'
  const all = [...specs, missing, unknown]
  await startTunnels(t, server, all)
  const secrets = new RegExp(
    `127\\.0\\.0\\.1|::1\\b|:${closed}\\b|:${breaks}\\b|:${odd}\\b|nas|secret|ECONN|ENO|refused`,
    'i',
  )
  return { server, names: ['closed', 'breaks', 'odd', 'missing', 'unknown-name'], secrets, closed }
})

test('H46: no answer names an address or a path of the owner’s network, over any protocol and in any form', async t => {
  const { server, names, secrets } = await house()
  for (const name of names) {
    const session = await http2Visitor(t, server, `${name}.localhost`)
    for (const accept of FORMS) {
      const first = await rawRequest(t, server, get(name, accept))
      assert.match(first, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-/, name)
      const second = await http2Request(session, { accept })
      assert.equal(second.status, 502)
      for (const text of [first, String(second.body), JSON.stringify(second.headers)]) {
        assert.doesNotMatch(text.replaceAll(`${name}.localhost`, ''), secrets, `${name}, ${accept}`)
      }
    }
    const upgrade = upgradeRequest('/', `${name}.localhost`).replace('\r\n\r\n', '\r\nConnection: Upgrade\r\n\r\n')
    const refused = await rawRequest(t, server, upgrade)
    assert.match(refused, /^HTTP\/1\.1 502 /)
    assert.doesNotMatch(refused, secrets, `${name}, upgrade`)
  }
})

test('H46: the owner finds the reason in the terminal of pbt', async t => {
  const { server, closed } = await house()
  const client = await startTalkingClient(t, server, ['http', String(closed), '--domain', 'told'])
  await rawRequest(t, server, get('told', 'text/html'))
  const reason = new RegExp(`could not connect to 127\\.0\\.0\\.1:${closed}: connection refused`)
  await client.until(() => reason.exec(client.said) ?? undefined, 'the reason')
})

test('H46: with curl each answer is a few plain sentences', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server } = await house()
  const { client } = await startClient(t, server, ['up', `http:${target},domain=friends,allow=192.0.2.0/24`])
  const bodyOf = async (name: string) => (await rawRequest(t, server, get(name, '*/*'))).split('\r\n\r\n')[1] ?? ''
  assert.match(
    await bodyOf('friends'),
    /^You may not visit this address\.\n.*\nYour address is 127\.0\.0\.1\.\nIf this server is yours: .*pbt-server allow/,
  )
  assert.match(await bodyOf('nobody'), /^There is nothing at this address\.\n.*typing mistakes.*\n/)
  await client.end()
  assert.match(
    await bodyOf('friends'),
    /^This service is offline\.\n.*not your fault.*\n.*\nIf this service is yours: Start pbt/,
  )
})

test('H46: a browser shows whose fault it is, and the owner’s part when it is asked for', {
  timeout: INSTALL_MS,
}, async t => {
  const { server, secrets } = await house()
  for (const colorScheme of ['light', 'dark'] as const) {
    const browser = await openBrowser(t, { colorScheme, viewport: { width: 390, height: 700 } })
    if (browser === undefined) return
    const page = await browser.newPage()
    for (const [name, title, summary] of [
      ['closed', 'This service does not respond', 'If this service is yours'],
      ['odd', 'This service gave no valid response', 'If this service is yours'],
      ['nobody', 'There is nothing at this address', 'If this server is yours'],
    ] as const) {
      await page.goto(`https://${name}.localhost:${server.https}/`)
      assert.equal(await page.title(), title)
      const shown = await page.innerText('body')
      assert.match(shown, new RegExp(`^${title}\\s[\\s\\S]*${summary}\\s*$`))
      assert.doesNotMatch(shown, /pbt/)
      assert.doesNotMatch((await page.content()).replaceAll(/localhost/g, ''), secrets)
      const folded = page.locator('details p').first()
      assert.equal(await folded.isVisible(), false)
      const picture = process.env.PBT_TEST_PICTURES ?? scratch(t)
      await page.screenshot({ path: join(picture, `${name}-${colorScheme}.png`) })
      await page.locator('summary').click()
      assert.equal(await folded.isVisible(), true)
      assert.match(await page.innerText('details'), /pbt/)
      await page.screenshot({ path: join(picture, `${name}-${colorScheme}-open.png`) })
      // Nothing is wider than a phone.
      assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
    }
  }
})
