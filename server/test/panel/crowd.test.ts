// The panel where there is much to show: 200 tunnels, the longest names, names of other scripts, a clock that is off, a client that is gone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INSTALL_MS } from '../support/browser.ts'
import { inaccessible, openPanel, picture, WIDTHS } from '../support/panel.ts'
import { startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

const TUNNELS = 200
/** As long as a label of a name may be (RFC 1035 section 2.3.4): longer than a common name, with the base domain. */
const LONGEST = `a-name-that-is-as-long-as-any-may-be-${'x'.repeat(26)}`
/** bücher */
const OTHER_SCRIPT = 'xn--bcher-kva'
const CLOCK_OFF_MS = 5 * 60_000

test('200 tunnels with names of every kind are shown at every width, found by typing, told when they are gone, by a clock that is off', {
  timeout: INSTALL_MS,
}, async t => {
  assert.equal(LONGEST.length, 63)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  const names = [LONGEST, OTHER_SCRIPT, ...Array.from({ length: TUNNELS - 2 }, (_, index) => `t${index + 1}`)]
  const { client } = await startClient(t, server, ['up', ...names.map(name => `http:${target},domain=${name}`)])
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin, context } = panel
  await page.getByRole('heading', { name: `All ${TUNNELS} tunnels are reachable` }).waitFor()
  assert.equal(await page.locator('.tun [data-row]').count(), TUNNELS)
  for (const [width, height] of Object.entries(WIDTHS)) {
    await page.setViewportSize({ width: Number(width), height })
    await page.locator('.tun [data-row]').first().waitFor()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), Number(width))
    await picture(page, `crowd-light-${width}`)
  }
  // Names of other scripts are read as they are meant.
  await page.getByText('bücher', { exact: false }).first().waitFor()
  assert.deepEqual(await inaccessible(page), [])

  await page.setViewportSize({ width: 1440, height: WIDTHS[1440] })
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Go to or do' }).fill('t137')
  await page
    .getByRole('option', { name: /^t137 / })
    .first()
    .waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(`${origin}/tunnel?name=t137`)
  await page.goBack()

  const later = await context.newPage()
  await later.addInitScript(`{ const now = Date.now; Date.now = () => now() + ${CLOCK_OFF_MS} }`)
  await later.goto(origin)
  await later.getByText(/clocks of this computer and of pbt-server are [45] min apart/).waitFor()
  await later.close()

  await client.end('SIGTERM')
  await page.getByRole('heading', { name: `None of ${TUNNELS} tunnels is reachable` }).waitFor()
  assert.deepEqual([...problems.list], [])
})
