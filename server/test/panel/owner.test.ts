// What the owner does in the panel, in a real browser with the real server and clients: one server and one page for all of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PanelService } from '@pbt/proto/admin/v1'
import { apiClient } from '../support/api-client.ts'
import { INSTALL_MS } from '../support/browser.ts'
import { inaccessible, openPanel, picture, row } from '../support/panel.ts'
import { startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { statusOf } from '../support/visitors.ts'

/** A second is promised for what is seen; browsers are slow where many tests run. */
const SEEN_MS = 15_000

test('from the first login to a new token: tunnels, visitors, addresses, machines', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const panel = await openPanel(t, server, { login: false })
  if (panel === undefined) return
  const { page, problems, origin } = panel
  page.setDefaultTimeout(SEEN_MS)

  await t.test('a wrong token is told, a link logs in, and the first page tells the next command', async () => {
    await page.goto(`${origin}/addresses`)
    await page.waitForURL(`${origin}/login?to=%2Faddresses`)
    await page.getByLabel('Token').fill('pbt_wrong')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').filter({ hasText: 'not valid here' }).waitFor()
    assert.deepEqual(await inaccessible(page), [])
    const { url } = await apiClient(t, server, PanelService).createLoginLink({})
    problems.forget()
    await page.goto(url)
    await page.waitForURL(`${origin}/`)
    await page.getByRole('heading', { name: 'Nothing is open yet' }).waitFor()
    await page.getByText('pbt init TOKEN --server localhost', { exact: false }).waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'first-run-light-1440')
  })

  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const client = await startTunnel(t, server, target, { domain: 'app' })

  await t.test('a tunnel appears by itself, and is paused and resumed in its row', async () => {
    await page.getByRole('heading', { name: 'app is reachable', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Acts on app' }).click()
    await page.getByRole('menuitem', { name: 'Pause' }).click()
    await row(page, 'app').getByText('Paused by you').waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost'), '503')
    await page.getByRole('status').getByRole('button', { name: 'Undo' }).click()
    await row(page, 'app').getByText('Online').waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost'), '200')
  })

  await t.test('its page is found by keys alone, and shows what a visitor asks for', async () => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox', { name: 'Go to or do' }).fill('app')
    await page.getByRole('option', { name: 'app Online' }).waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(`${origin}/tunnel?name=app`)
    await page.getByText('live', { exact: true }).waitFor()
    await statusOf(t, server, 'app.localhost', '/seen-here')
    await page.getByText('GET /seen-here').waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'tunnel-light-1440')
  })

  await t.test(
    'an allowlist says whom it would cut before it is saved; who is turned away is let in by one press',
    async () => {
      await page.getByRole('button', { name: 'Only these' }).click()
      await page.getByLabel('Address or block').fill('203.0.113.300')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await page.getByRole('alert').filter({ hasText: 'Not an address or block' }).waitFor()
      await page.getByLabel('Address or block').fill('203.0.113.7')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await page.getByText('Saving cuts nobody who is there now.').waitFor()
      assert.equal(await statusOf(t, server, 'app.localhost'), '200', 'a draft changes nothing')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByText('Saved: only 1 entry may come in').waitFor()
      assert.equal(await statusOf(t, server, 'app.localhost'), '403')
      await page.keyboard.press('g')
      await page.keyboard.press('d')
      await page.waitForURL(`${origin}/`)
      await page.getByText('Not on its list of 1', { exact: false }).waitFor()
      await picture(page, 'dashboard-refused-light-1440')
      await page.getByRole('button', { name: 'Allow 8 hours: 127.0.0.1' }).click()
      await page.getByText('app lets 127.0.0.1 in until', { exact: false }).waitFor()
      assert.equal(await statusOf(t, server, 'app.localhost'), '200')
    },
  )

  await t.test('a name, and a port for tcp and udp in one go, are reserved and released', async () => {
    await page.goto(`${origin}/addresses`)
    const name = page.getByRole('textbox', { name: 'Name' })
    await name.fill('app')
    await page.getByText('Not free').waitFor()
    await name.fill('wiki')
    await page.locator('#free').getByText('Free', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Reserve wiki' }).click()
    await row(page, 'wiki.localhost').waitFor()
    assert.equal(await name.inputValue(), '')
    await page.getByRole('button', { name: 'Port', exact: true }).click()
    await page.getByRole('button', { name: 'Next free' }).click()
    await page.locator('#free').getByText('for tcp and udp').waitFor()
    await page.getByRole('button', { name: /^Reserve \d+ for tcp and udp$/ }).click()
    await row(page, 'tcp + udp').waitFor()
    await page.getByLabel('Filter').fill('wiki')
    await page.waitForURL(`${origin}/addresses?q=wiki`)
    await row(page, 'wiki.localhost').getByRole('button', { name: 'Release wiki…' }).click()
    await page.getByRole('dialog').waitFor()
    assert.equal(await page.locator('.toast').count(), 0, 'what was said before does not lie over the dialog')
    await page.getByRole('button', { name: 'Release wiki', exact: true }).click()
    await page.getByText('None is like that.').waitFor()
    assert.deepEqual(await inaccessible(page), [])
  })

  await t.test('a machine is disconnected and comes back by itself', async () => {
    await page.goto(`${origin}/clients`)
    const from = client.events.length
    await page.getByRole('button', { name: /^Disconnect / }).click()
    await page.getByRole('button', { name: /^Disconnect [^…]+$/ }).click()
    await client.event('online', from)
    await page.getByText('1 of your 1 machine is connected', { exact: false }).waitFor()
  })

  await t.test(
    'rows are walked and paused by keys; the scheme is kept; on a phone the other pages are behind More',
    async () => {
      await page.goto(`${origin}/`)
      await row(page, 'app').waitFor()
      await page.getByRole('button', { name: 'Tunnel', exact: true }).focus()
      await page.keyboard.press('j')
      await page.keyboard.press('p')
      await row(page, 'app').getByText('Paused by you').waitFor()
      await page.keyboard.press('p')
      await row(page, 'app').getByText('Online').waitFor()
      await page.locator('.rail').getByRole('button', { name: 'Dark or light' }).click()
      await page.reload()
      assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
      await page.setViewportSize({ width: 390, height: 844 })
      await row(page, 'app').waitFor()
      await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
      assert.ok(Number(await page.evaluate('scrollY')) > 0)
      await page.getByRole('button', { name: 'More' }).click()
      await page.getByRole('dialog').getByRole('link', { name: 'Security' }).click()
      await page.waitForURL(`${origin}/security`)
      await page.getByRole('heading', { name: 'Security' }).waitFor()
      await page.waitForFunction('scrollY === 0')
      await page.goBack()
      await page.waitForURL(`${origin}/`)
      await page.setViewportSize({ width: 1440, height: 900 })
    },
  )

  await t.test('a tunnel is killed after it is said what that hits, and its client says why', async () => {
    await page.goto(`${origin}/tunnel?name=app`)
    await page.getByRole('button', { name: 'Kill…' }).click()
    await page.getByText('Nothing is open now, so nobody is cut').waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await page.getByRole('button', { name: 'Kill app', exact: true }).click()
    const { code } = await client.event('closed')
    assert.equal(code, 'killed')
    await page.locator('.head').getByText('Killed by you').waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost'), '503')
  })

  await t.test('a new token is shown once; the old one ends, and this browser goes on', async () => {
    const old = await startTunnel(t, server, target, { domain: 'other' })
    await page.goto(`${origin}/security?open=rotate`)
    await page.getByText('Not at all').click()
    await page.getByRole('button', { name: 'Rotate, old one ends now' }).click()
    const secret = await page.locator('.newtok .cmd span').first().innerText()
    assert.match(secret, /^pbt_[\w-]{43}$/)
    await page.getByText(`pbt init ${secret} --server localhost`, { exact: false }).waitFor()
    assert.equal((await old.exited).code, 3)
    await page.getByText('this one').waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.reload()
    await page.getByRole('heading', { name: 'Security' }).waitFor()
    assert.equal(await page.getByText(secret).count(), 0)
  })
  assert.deepEqual([...problems.list], [])
})
