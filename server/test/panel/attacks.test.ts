// What an address bar, a held key, another tab and haste can do to the panel, in a real browser: one server and one browser for all of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INSTALL_MS } from '../support/browser.ts'
import { openPanel } from '../support/panel.ts'
import { startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

/** Read by a browser, each is another host: it takes tabs and line ends out, and a backslash for a slash. */
const ELSEWHERE = [
  '//evil.test/',
  '/\\evil.test/',
  '/\t/evil.test/',
  '/\n/evil.test/',
  '/.//evil.test',
  'https://evil.test',
]
/** Names that every object has are no choices. */
const NO_CHOICES = ['__proto__', 'nonsense']

test('no address leads out of the panel or breaks a page; a held key is one press; a new token is not lost; a logout is one in all tabs', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  await startTunnel(t, server, target, { domain: 'app' })
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin, context } = panel
  await page.getByRole('heading', { name: 'app is reachable', exact: true }).waitFor()

  await t.test('a login leads to a page of this panel only', async () => {
    for (const to of ELSEWHERE) {
      await page.goto(`${origin}/login?to=${encodeURIComponent(to)}`)
      await page.waitForURL(url => url.pathname !== '/login')
      assert.equal(new URL(page.url()).origin, origin, JSON.stringify(to))
    }
    await page.goto(`${origin}/login?to=${encodeURIComponent('/logs?range=24h')}`)
    await page.waitForURL(`${origin}/logs?range=24h`)
    problems.forget()
  })

  await t.test('what means nothing in an address is not taken for a choice', async () => {
    for (const choice of NO_CHOICES) {
      await page.goto(`${origin}/logs?range=${choice}`)
      await page.getByRole('heading', { name: 'Logs', exact: true }).waitFor()
      assert.equal(await page.locator('.filters select').inputValue(), '1h')
      await page.goto(`${origin}/metrics?range=${choice}`)
      await page.getByRole('heading', { name: 'Metrics', exact: true }).waitFor()
      await page.goto(`${origin}/addresses?kind=${choice}`)
      await page.getByRole('link', { name: 'app', exact: true }).first().waitFor()
    }
    await page.goto(`${origin}/tunnel?name=${'a'.repeat(400)}`)
    await page.getByRole('heading', { name: 'There is no tunnel', exact: false }).waitFor()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 1440)
  })

  await t.test('a key that is held does one thing', async () => {
    await page.goto(`${origin}/tunnel?name=app`)
    const asked: string[] = []
    page.on('request', request => {
      const [method] = /(?:Pause|Resume)Tunnel$/.exec(request.url()) ?? []
      if (method !== undefined) asked.push(method)
    })
    await page.getByRole('button', { name: 'Pause', exact: true }).focus()
    for (const [key, word] of [
      ['Enter', 'Paused by you'],
      ['p', 'Online'],
    ] as const) {
      await page.keyboard.down(key)
      await page.locator('.head').getByText(word).waitFor()
      // The browser says for each of these that the key is still down.
      for (let repeat = 0; repeat < 20; repeat++) await page.keyboard.down(key)
      await page.keyboard.up(key)
    }
    await page.locator('.head').getByText('Online').waitFor()
    assert.deepEqual(asked, ['PauseTunnel', 'ResumeTunnel'])
    // An answer that never comes is told in our words.
    await page.route('**/PauseTunnel', route => route.abort())
    await page.locator('.head').getByRole('button', { name: 'Pause', exact: true }).click()
    await page.getByText('Pbt-server did not answer. Try again when there is contact', { exact: false }).waitFor()
    await page.unroute('**/PauseTunnel')
    problems.forget()
  })

  await t.test('a new token is there until it is said that it is kept, whichever way the page is left', async () => {
    await page.goto(`${origin}/security?open=rotate`)
    await page.getByText('15 minutes', { exact: true }).click()
    await page.getByRole('button', { name: 'Rotate, old one ends in 15 minutes' }).click()
    const shown = page.locator('.newtok .cmd span').first()
    const secret = await shown.innerText()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.locator('h1').click()
    await page.keyboard.press('g')
    await page.keyboard.press('l')
    await page.waitForURL(`${origin}/logs`)
    await page.getByText('you have not said that you kept it', { exact: false }).waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog').waitFor()
    await page.goBack()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    assert.equal(await shown.innerText(), secret)
    const asked = page.waitForEvent('dialog')
    const reloading = page.reload().catch(() => {})
    const question = await asked
    assert.equal(question.type(), 'beforeunload')
    await question.dismiss()
    await page.getByRole('button', { name: 'I have kept it' }).click()
    await page.reload()
    await reloading
    await page.getByRole('heading', { name: 'Security', exact: true }).waitFor()
    assert.equal(await page.getByText(secret).count(), 0)
    assert.deepEqual([...problems.list], [])
  })

  await t.test('a logout ends what other tabs show, and each comes back to its page', async () => {
    await page.goto(`${origin}/addresses?q=app`)
    await page.getByText('Live · last word', { exact: false }).waitFor()
    const other = await context.newPage()
    await other.goto(`${origin}/logs`)
    await other.locator('.rail').getByRole('button', { name: 'Log out' }).click()
    await other.waitForURL(`${origin}/login`)
    await other.close()
    await page.waitForURL(`${origin}/login?to=${encodeURIComponent('/addresses?q=app')}`)
    await page.getByLabel('Token').fill(server.token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL(`${origin}/addresses?q=app`)
    // Nor does a tab go on whose browser has forgotten its cookies: its first question says so.
    await page.getByText('Live · last word', { exact: false }).waitFor()
    await context.clearCookies()
    await page.getByLabel('Name').fill('wiki')
    await page.waitForURL(`${origin}/login?to=${encodeURIComponent('/addresses?q=app')}`)
  })
})
