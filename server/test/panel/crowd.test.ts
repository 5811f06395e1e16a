// The panel where there is much to show: 200 tunnels, the longest names, names of other scripts, a clock that is off, a client that is
// gone, and one that comes and goes.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { INSTALL_MS } from '../support/browser.ts'
import { inaccessible, openPanel, picture, WIDTHS } from '../support/panel.ts'
import { scratch, startClient, startServer } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { httpTarget } from '../support/targets.ts'

const TUNNELS = 200
/** As long as a label of a name may be (RFC 1035 section 2.3.4): longer than a common name, with the base domain. */
const LONGEST = `a-name-that-is-as-long-as-any-may-be-${'x'.repeat(26)}`
/** bücher */
const OTHER_SCRIPT = 'xn--bcher-kva'
const CLOCK_OFF_MS = 5 * 60_000
/** How often the client is gone and back; the last time it was killed, and another process of its machine came. */
const FLAPS = 10
/** What browsers call a good page (web.dev/cls): the sum of all shifts. */
const SHIFT = 0.1

test('200 tunnels with names of every kind are shown at every width, found by typing, told when they come and go, and by a clock that is off', {
  timeout: INSTALL_MS,
}, async t => {
  assert.equal(LONGEST.length, 63)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  const names = [LONGEST, OTHER_SCRIPT, ...Array.from({ length: TUNNELS - 2 }, (_, index) => `t${index + 1}`)]
  const relay = new Relay()
  await relay.start(t, server.https)
  const args = ['up', ...names.map(name => `http:${target},domain=${name}`)]
  const machine = { home: join(scratch(t), 'client'), linkPort: relay.port }
  const { client } = await startClient(t, server, args, machine)
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin, context } = panel
  await page.getByRole('heading', { name: `All ${TUNNELS} tunnels are reachable` }).waitFor()
  // The first screen is there at once, and the others right after it.
  await page
    .locator('.tun [data-row]')
    .nth(TUNNELS - 1)
    .waitFor()
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

  await page.getByRole('heading', { name: `All ${TUNNELS} tunnels are reachable` }).waitFor()
  const watched = await watchChanges(page)
  for (let flap = 1; flap < FLAPS; flap++) {
    const from = client.events.length
    relay.cut()
    await client.event('resumed', from)
  }
  await client.end('SIGKILL')
  const { client: next } = await startClient(t, server, args, machine)
  await page.getByRole('heading', { name: `All ${TUNNELS} tunnels are reachable` }).waitFor()
  await page.locator('.tun').getByText('Reconnecting').first().waitFor({ state: 'detached' })
  const { toasts, shift, moved, order } = await watched.end()
  assert.equal(toasts, 0, 'nothing that went by itself is told in a message of its own')
  assert.ok(shift < SHIFT, `the page jumped by ${shift}: ${moved.join('; ')}`)
  assert.deepEqual(order.after, order.before, 'rows keep their places')

  await next.end('SIGTERM')
  await page.getByRole('heading', { name: `None of ${TUNNELS} tunnels is reachable` }).waitFor()
  assert.deepEqual([...problems.list], [])
})

/** Messages, shifts of the layout, and the order of the rows, from now until `end`. */
async function watchChanges(page: Page) {
  const orderNow = () => page.locator('.tun [data-row] .name').allInnerTexts()
  const before = await orderNow()
  await page.evaluate(`{
    const seen = { toasts: 0, shift: 0, moved: [] }
    globalThis.seenChanges = seen
    const lookForToasts = () => { if (document.querySelector('.toast')) seen.toasts++ }
    new MutationObserver(lookForToasts).observe(document.body, { subtree: true, childList: true, attributes: true })
    const told = ({ node, previousRect, currentRect }) => (node?.className || node?.nodeName) + ' ' + previousRect.y + ' to ' + currentRect.y
    // The bar of a lost server, which a busy machine may show, is meant to move the page.
    const isPage = ({ node }) => node?.className === 'live-data'
    const note = ({ value, sources }) => { if (sources.some(isPage)) return; seen.shift += value; if (seen.moved.length < 20) seen.moved.push(sources.map(told).join(', ')) }
    new PerformanceObserver(list => list.getEntries().forEach(note)).observe({ type: 'layout-shift' })
  }`)
  return {
    end: async () => {
      const seen = (await page.evaluate('globalThis.seenChanges')) as { toasts: number; shift: number; moved: string[] }
      return { ...seen, order: { before, after: await orderNow() } }
    },
  }
}
