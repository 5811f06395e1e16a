// Every page of the panel in a real browser: by each link, in both widths and schemes, without a word of complaint from the browser.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { buildPanel, OUT } from '../../../scripts/panel.ts'
import { INSTALL_MS } from '../support/browser.ts'
import { inaccessible, openPanel, picture, WIDTHS } from '../support/panel.ts'
import { startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

const PAGES = [
  'Addresses',
  'Domains',
  'Clients',
  'Logs',
  'Metrics',
  'Explain',
  'Security',
  'Settings',
  'Dashboard',
] as const
/** What the first load of a page may bring, bytes as gzip. */
const FIRST_LOAD_BYTES = 250_000

/** A chart follows its place a moment after that has changed. */
const SETTLE_MS = 2_000

/** The smallest phone that is in use: width and height. */
const SMALLEST = { width: 320, height: 568 } as const

/** How wide the page is that can be scrolled to. */
async function widthOf(page: Page): Promise<number> {
  return Number(await page.evaluate('document.documentElement.scrollWidth'))
}

/** What a finger would miss on a phone: controls below 40 px, but for links in a sentence; and fields whose text makes a phone zoom. */
async function tooSmall(page: Page): Promise<string[]> {
  return await page.evaluate(`[...document.querySelectorAll('main :is(a, button, input, select), .phonebar *, .tabbar > *')]
    .filter(each => each.matches('a, button, input, select') && each.checkVisibility() && !each.closest('.sr'))
    .filter(each => {
      const { height } = each.getBoundingClientRect()
      const { display, fontSize } = getComputedStyle(each)
      return each.matches('input, select') ? Number.parseFloat(fontSize) < 16 : display !== 'inline' && height < 40
    })
    .filter(each => !each.matches('.vlog-row button, .tun .name')) // The whole row or card opens it.
    .map(each => each.outerHTML.slice(0, 120))`)
}

/** Sheets of a phone: as wide as the page, closed by Esc, and then what opened them has the focus; by Back or a press beside them too. */
async function openSheets(page: Page, origin: string): Promise<string[]> {
  const wrong: string[] = []
  const look = async (name: string, opener: string, sheet: string) => {
    await page.getByRole('button', { name: opener, exact: true }).click()
    await page.locator(`${sheet}:focus-within`).waitFor()
    const width = await widthOf(page)
    if (width !== SMALLEST.width) wrong.push(`${name} is ${width} wide`)
    await page.keyboard.press('Escape')
    await page.locator(sheet).waitFor({ state: 'hidden' })
    await page
      .locator('button:focus')
      .getByText(opener)
      .or(page.locator(`button[aria-label="${opener}"]:focus`))
      .waitFor()
  }
  await page.setViewportSize(SMALLEST)
  await page.goto(`${origin}/addresses`)
  await look('More', 'More', '[role=dialog]')
  await look('the palette', 'Go to or do', '[role=dialog]')
  await look('Reserve', 'Reserve', '.sheet-on-phone.up')
  const sheet = page.locator('.sheet-on-phone.up')
  const reserve = page.getByRole('button', { name: 'Reserve', exact: true })
  await reserve.click()
  await page.locator('.sheet-veil').click({ position: { x: 160, y: 20 } })
  await sheet.waitFor({ state: 'hidden' })
  await reserve.click()
  await sheet.waitFor()
  await page.goBack()
  await sheet.waitFor({ state: 'hidden' })
  if (!page.url().endsWith('/addresses')) wrong.push(`Back has left the page for ${page.url()}`)
  return wrong
}

test('each page opens by its link, with all that it asks for, readable in both widths and schemes', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  await startTunnel(t, server, target, { domain: 'app' })
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin } = panel
  const wrong: string[] = []
  // The event stream is asked for before there are scripts, which take what has come of it.
  assert.match(await page.content(), /pbtEarly/)
  await page.getByRole('heading', { name: 'app is reachable', exact: true }).waitFor()
  assert.equal(await page.evaluate('typeof globalThis.pbtEarly'), 'undefined')
  for (const name of PAGES) {
    await page.setViewportSize({ width: 1440, height: WIDTHS[1440] })
    await page.locator('.rail').getByRole('link', { name, exact: true }).click()
    await page.waitForURL(name === 'Dashboard' ? `${origin}/` : `${origin}/${name.toLowerCase()}`)
    await page.locator('h1').first().waitFor()
    for (const [width, height] of [
      [1440, WIDTHS[1440]],
      [820, WIDTHS[820]],
      [390, WIDTHS[390]],
    ] as const) {
      await page.setViewportSize({ width, height })
      const deadline = performance.now() + SETTLE_MS
      let found = await widthOf(page)
      while (found !== width && performance.now() < deadline) found = await widthOf(page)
      if (found !== width) wrong.push(`${name} at ${width} is ${found} wide`)
      if (width === 390) for (const found of await tooSmall(page)) wrong.push(`${name}: too small: ${found}`)
      if (width === 820) {
        await picture(page, `${name.toLowerCase()}-820`)
        continue
      }
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await picture(page, `${name.toLowerCase()}-${colorScheme}-${width}`)
        for (const found of await inaccessible(page)) wrong.push(`${name} ${width} ${colorScheme}: ${found}`)
      }
    }
    await page.setViewportSize(SMALLEST)
    const deadline = performance.now() + SETTLE_MS
    let found = await widthOf(page)
    while (found !== SMALLEST.width && performance.now() < deadline) found = await widthOf(page)
    if (found !== SMALLEST.width) wrong.push(`${name} at ${SMALLEST.width} is ${found} wide`)
  }
  wrong.push(...(await openSheets(page, origin)))
  assert.deepEqual(wrong, [])
  assert.deepEqual([...problems.list], [])
})

test('the first load of any page is at most 250 KB of scripts, as gzip', { timeout: INSTALL_MS }, async () => {
  await buildPanel()
  const pages = readdirSync(OUT).filter(name => name.endsWith('.html'))
  assert.ok(pages.length > PAGES.length)
  for (const name of pages) {
    // What it names itself; what it fetches for other pages once it is idle is not of its first load. Old browsers alone load "nomodule".
    const tags = readFileSync(join(OUT, name), 'utf8').match(/<script[^>]*\ssrc="[^"]+"[^>]*>/g) ?? []
    const scripts = new Set(tags.filter(tag => !/nomodule/i.test(tag)).map(tag => /src="([^"?]+)/.exec(tag)?.[1] ?? ''))
    const bytes = [...scripts].reduce((sum, file) => sum + gzipSync(readFileSync(join(OUT, file))).length, 0)
    assert.ok(bytes > 50_000 && bytes <= FIRST_LOAD_BYTES, `${name}: ${bytes}`)
  }
})
