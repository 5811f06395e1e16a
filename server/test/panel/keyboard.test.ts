// The panel without a pointer, in a real browser with the real server and clients: one server and one page for all of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { INSTALL_MS } from '../support/browser.ts'
import { Keys } from '../support/keys.ts'
import { inaccessible, openPanel, picture, row } from '../support/panel.ts'
import { restartServer, startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { statusOf } from '../support/visitors.ts'

/** A second is promised for what is seen; browsers are slow where many tests run. */
const SEEN_MS = 15_000

test('everything by keyboard alone; then a server that is gone is told within seconds, and the page recovers by itself', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const panel = await openPanel(t, server, { login: false })
  if (panel === undefined) return
  const { page, problems, origin } = panel
  page.setDefaultTimeout(SEEN_MS)
  const keys = new Keys(page)
  const { keyboard } = page

  await t.test('the login has the focus in its field', async () => {
    await page.goto(`${origin}/login`)
    await page.locator('input:focus').waitFor()
    await keyboard.type(server.token)
    await keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Nothing is open yet' }).waitFor()
  })

  await t.test('a tunnel appears within a second of its start', async () => {
    const seen = page.getByRole('heading', { name: 'app is reachable', exact: true }).waitFor()
    const online = startTunnel(t, server, target, { domain: 'app' }).then(() => performance.now())
    await seen
    const tookMs = performance.now() - (await online)
    t.diagnostic(`a tunnel was in the panel ${Math.round(tookMs)} ms after its client said so`)
    assert.ok(tookMs < 1_000, `${tookMs} ms`)
  })

  await t.test('to a tunnel, which is paused and resumed; its chart says its values', async () => {
    await keyboard.press('j')
    await keys.at(page.getByRole('link', { name: 'app', exact: true }))
    await keyboard.press('Enter')
    await page.waitForURL(`${origin}/tunnel?name=app`)
    await page.getByText('live', { exact: true }).waitFor()
    await keys.to(page.getByRole('button', { name: 'Pause', exact: true }))
    await keyboard.press('Enter')
    await page.locator('.head').getByText('Paused by you').waitFor()
    await keys.at(page.getByRole('button', { name: 'Resume', exact: true }))
    await keyboard.press('Enter')
    await page.locator('.head').getByText('Online').waitFor()
    await keys.to(page.locator('.canvas').first())
    await keyboard.press('ArrowLeft')
    await page.locator('.key .push').first().waitFor()
  })

  await t.test('an allowlist, and who was turned away let in from the dashboard', async () => {
    await keys.to(page.getByRole('button', { name: 'Only these' }))
    await keyboard.press('Enter')
    await keys.to(page.getByLabel('Address or block'))
    await keyboard.type('203.0.113.7')
    await keyboard.press('Enter')
    await page.getByText('Saving cuts nobody who is there now.').waitFor()
    await keys.to(page.getByRole('button', { name: 'Save', exact: true }))
    await keyboard.press('Enter')
    await page.getByText('Saved: only 1 entry may come in').waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost'), '403')
    await keys.press('g', 'd')
    await page.getByText('Not on its list of 1', { exact: false }).waitFor()
    await keys.to(page.getByRole('button', { name: 'Allow 8 hours: 127.0.0.1' }))
    // Who is turned away meanwhile stands below: what has the focus stays where it is.
    await statusOf(t, server, 'nobody.localhost')
    const turnedAway = page.getByRole('region', { name: 'Turned away in the last hour' }).locator('[data-row]')
    await turnedAway.getByText('No tunnel has that name', { exact: false }).waitFor()
    await turnedAway.first().getByText('Not on its list of 1', { exact: false }).waitFor()
    await keys.at(page.getByRole('button', { name: 'Allow 8 hours: 127.0.0.1' }))
    await keyboard.press('Enter')
    await page.getByText('app lets 127.0.0.1 in until', { exact: false }).waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost'), '200')
  })

  await t.test(
    'a name is reserved and released: a dialog keeps the focus, Escape gives it back, a row leaves it to the next',
    async () => {
      await keys.press('g', 'a')
      await page.waitForURL(`${origin}/addresses`)
      await keys.to(page.getByLabel('Name'))
      await keyboard.type('wiki')
      await page.locator('#free').getByText('Free', { exact: true }).waitFor()
      await keys.to(page.getByRole('button', { name: 'Reserve wiki' }))
      await keyboard.press('Enter')
      await row(page, 'wiki.localhost').waitFor()
      const release = row(page, 'wiki.localhost').getByRole('button', { name: 'Release wiki…' })
      await keys.to(release)
      await keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      await keys.at(page.getByRole('button', { name: 'Keep it' }))
      for (let presses = 0; presses < 4; presses++) {
        await keyboard.press('Tab')
        // From its end the focus goes over a guard back to its start.
        await page.locator('[role="dialog"] :focus').waitFor()
      }
      await keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await keys.at(release)
      await keyboard.press('Enter')
      await keys.inDialog()
      await keys.to(page.getByRole('button', { name: 'Release wiki', exact: true }))
      await keyboard.press('Enter')
      await release.waitFor({ state: 'detached' })
      await page.locator('#main [data-row] :focus').waitFor()
    },
  )

  await t.test('the log row by row, the palette, the help, and the rail', async () => {
    // A key that comes before the first row is not lost.
    const rows = await heldBack(page, '**/pbt.admin.v1.LogService/ListRecords')
    await keys.press('g', 'l')
    await keys.to(page.locator('.vlog-frame'))
    await keyboard.press('j')
    await rows.letGo()
    await page.locator('#record').waitFor()
    await keyboard.press('Escape')
    await page.locator('#record').waitFor({ state: 'detached' })
    await keyboard.press('?')
    await keys.inDialog()
    await keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await keys.to(page.locator('.rail').getByRole('link', { name: 'Metrics' }), 'Shift+Tab')
    await keyboard.press('Enter')
    await page.waitForURL(`${origin}/metrics`)
    await page.getByText('open now', { exact: false }).waitFor()
    await keys.to(page.locator('.canvas').last())
    await keyboard.press('ArrowLeft')
    await page.locator('.key .push').first().waitFor()
  })

  await t.test('the token is changed', async () => {
    await keys.press('g', 's')
    await keys.to(page.getByRole('button', { name: 'Rotate the token…' }))
    await keyboard.press('Enter')
    await keys.inDialog()
    await keys.to(page.getByRole('radio', { name: '24 hours' }))
    await keyboard.press('ArrowUp')
    await keys.to(page.getByRole('button', { name: 'Rotate, old one ends in 15 minutes' }))
    await keyboard.press('Enter')
    await page.getByText('The old one ends').waitFor()
    await keys.to(page.getByRole('button', { name: 'I have kept it' }))
    await keyboard.press('Enter')
    await page.locator('.newtok').waitFor({ state: 'detached' })
  })

  await t.test('what is typed right after the key of the palette is for its field, not for the row', async () => {
    await keys.press('g', 'd')
    await page.waitForURL(`${origin}/`)
    await row(page, 'app').waitFor()
    await keyboard.press('j')
    await keys.press('Control+k', 'p', 'p')
    const field = page.getByRole('combobox', { name: 'Go to or do' })
    await field.and(page.locator('[value="pp"]')).waitFor()
    await keyboard.press('Escape')
    await field.waitFor({ state: 'detached' })
    await row(page, 'app').getByText('Online').waitFor()
  })

  await t.test('a tunnel is killed from its row, and started again', async () => {
    await keys.to(page.getByRole('button', { name: 'Acts on app' }))
    await keyboard.press('Enter')
    await keys.at(page.getByRole('menuitem', { name: 'Pause' }))
    await keyboard.press('Escape')
    await keys.at(page.getByRole('button', { name: 'Acts on app' }))
    await keyboard.press('Enter')
    await keys.at(page.getByRole('menuitem', { name: 'Pause' }))
    await keyboard.press('End')
    await keys.at(page.getByRole('menuitem', { name: 'Kill…' }))
    await keyboard.press('Enter')
    await keys.inDialog()
    await keys.to(page.getByRole('dialog').getByRole('button', { name: 'Kill app', exact: true }))
    await keyboard.press('Enter')
    await row(page, 'app').getByText('Killed by you').waitFor()
    await keys.to(row(page, 'app').getByRole('button', { name: 'Start again' }))
    await keyboard.press('Enter')
    await page.getByText('app may start again').waitFor()
  })
  assert.deepEqual([...problems.list], [])

  await startTunnel(t, server, target, { domain: 'other' })
  await page.getByRole('heading', { name: '1 of 2 tunnels are reachable' }).waitFor()
  page.setDefaultTimeout(60_000)
  server.program.child.kill('SIGKILL')
  await server.program.exited
  await page.getByText('No contact with pbt-server', { exact: false }).waitFor()
  await page.getByRole('heading', { name: '1 of 2 tunnels were reachable' }).waitFor()
  assert.equal(await page.getByRole('button', { name: 'New tunnel' }).isDisabled(), true)
  assert.deepEqual(await inaccessible(page), [])
  await picture(page, 'lost-light-1440')
  // A page that is loaded anew forgets it.
  await page.evaluate('globalThis.isSamePage = true')
  await restartServer(t, server, { ports: { https: server.https, http: server.http } })
  await page.getByText('No contact with pbt-server', { exact: false }).waitFor({ state: 'detached' })
  await page.getByRole('heading', { name: '1 of 2 tunnels are reachable' }).waitFor()
  assert.equal(await page.evaluate('globalThis.isSamePage'), true, 'it was not loaded anew')
})

/** Questions to the server that wait until they are let go, as on a slow way to it; waits for the first one. */
async function heldBack(page: Page, url: string) {
  const asked: Promise<void>[] = []
  let open: () => void = () => {}
  const isOpen = new Promise<void>(resolve => {
    open = resolve
  })
  const first = page.waitForRequest(url)
  await page.route(url, route => {
    asked.push(isOpen.then(() => route.continue()))
  })
  return {
    letGo: async () => {
      await first
      open()
      await Promise.all(asked)
      await page.unroute(url)
    },
  }
}
