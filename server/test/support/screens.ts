// Pictures of every page and sheet of the panel, with a household behind it, for a person to look at beside the design:
//
//   npx -c 'node server/test/support/screens.ts FOLDER [--only PART-OF-A-NAME] [--width 1440]'
//
// Each at 1440, 820 and 390 px, light and dark. Needs Debian's chromium and pebble, and root for machines with names of their own.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PanelService } from '@pbt/proto/admin/v1'
import { chromium, type Page } from 'playwright-core'
import { buildPanel } from '../../../scripts/panel.ts'
import { apiClient } from './api-client.ts'
import { CHROMIUM, FLAGS } from './browser.ts'
import { LONGEST, startStory } from './story.ts'

const SIZES = [
  [1440, 900],
  [820, 1180],
  [390, 844],
] as const
const SCHEMES = ['light', 'dark'] as const
/** What moves has come to rest, and charts are drawn. */
const REST_MS = 700
/** Longer than any page is waited for. */
const WAIT_MS = 10_000

interface Screen {
  readonly name: string
  readonly path: string
  /** What is seen when the page is drawn. */
  readonly shown: string
  /** Opens something. */
  readonly act?: (page: Page) => Promise<unknown>
  readonly isWhole?: true
}

const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).first()

const ALL: readonly Screen[] = [
  { name: 'dashboard', path: '/', shown: '[data-row]', isWhole: true },
  // A phone has the acts on the tunnel's page.
  {
    name: 'dashboard-acts',
    path: '/',
    shown: '[data-row]',
    act: async page => {
      const acts = button(page, 'Acts on git')
      if (await acts.isVisible()) await acts.click()
    },
  },
  { name: 'dashboard-new', path: '/', shown: '[data-row]', act: page => button(page, 'New tunnel').click() },
  { name: 'palette', path: '/', shown: '[data-row]', act: page => page.keyboard.press('Control+k') },
  { name: 'keys', path: '/', shown: '[data-row]', act: page => page.keyboard.press('?') },
  { name: 'tunnel', path: '/tunnel?name=git', shown: 'h1', isWhole: true },
  { name: 'tunnel-photos', path: '/tunnel?name=photos', shown: '.lines [data-row]', isWhole: true },
  { name: 'tunnel-tcp', path: '/tunnel?name=ssh', shown: '.lines [data-row]', isWhole: true },
  { name: 'tunnel-udp', path: '/tunnel?name=game', shown: 'h1' },
  { name: 'tunnel-plex', path: '/tunnel?name=plex', shown: 'h1' },
  { name: 'tunnel-long', path: `/tunnel?name=${LONGEST}`, shown: 'h1' },
  { name: 'tunnel-idn', path: '/tunnel?name=xn--bcher-kva', shown: 'h1' },
  { name: 'tunnel-away', path: '/tunnel?name=blog', shown: 'h1' },
  { name: 'tunnel-kill', path: '/tunnel?name=photos', shown: 'h1', act: page => button(page, 'Kill…').click() },
  { name: 'addresses', path: '/addresses', shown: '[data-row]', isWhole: true },
  {
    name: 'addresses-port',
    path: '/addresses',
    shown: '[data-row]',
    act: async page => {
      const reserve = page.getByRole('button', { name: 'Reserve', exact: true })
      if (await reserve.isVisible()) await reserve.click()
      await page.getByRole('button', { name: 'Port', exact: true }).click()
      await page.getByRole('button', { name: 'Next free' }).click()
    },
  },
  { name: 'addresses-release', path: '/addresses', shown: '[data-row]', act: page => button(page, /^Release/).click() },
  { name: 'clients', path: '/clients', shown: 'h1', isWhole: true },
  { name: 'domains', path: '/domains', shown: 'h1', isWhole: true },
  { name: 'domain-waiting', path: '/domains?name=shop.mine.test', shown: 'h1', isWhole: true },
  { name: 'domain-refused', path: '/domains?name=refused.mine.test', shown: 'h1', isWhole: true },
  { name: 'domain-issued', path: '/domains?name=www.mine.test', shown: 'h1', isWhole: true },
  { name: 'logs', path: '/logs', shown: '.vlog-row.record' },
  { name: 'logs-held', path: '/logs', shown: '.vlog-row.record', act: page => button(page, 'Hold').click() },
  { name: 'logs-refused', path: '/logs?reason=1', shown: '.vlog-row.record' },
  {
    name: 'logs-record',
    path: '/logs?q=answer%3A403',
    shown: '.vlog-row.record',
    act: page => page.locator('.vlog-row.record').nth(1).click(),
  },
  { name: 'metrics', path: '/metrics?range=1h', shown: '.canvas canvas', isWhole: true },
  { name: 'explain', path: '/explain', shown: 'h1' },
  { name: 'explain-refused', path: '/explain?address=git&from=127.0.0.66', shown: 'ol li', isWhole: true },
  { name: 'security', path: '/security', shown: 'h1', isWhole: true },
  { name: 'security-rotate', path: '/security?open=rotate', shown: '[role=dialog]' },
  { name: 'settings', path: '/settings', shown: '.settings li', isWhole: true },
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, width: { type: 'string', default: '' } },
})
const [folder] = positionals
if (folder === undefined) throw new Error('say the folder for the pictures')
mkdirSync(folder, { recursive: true })

const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }
try {
  await buildPanel()
  const server = await startStory(t)
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS] })
  t.after(() => browser.close())
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  const origin = `https://admin.localhost:${server.https}`
  await take(page, origin, { name: 'login', path: '/login', shown: 'h1' })
  await take(page, origin, {
    name: 'login-refused',
    path: '/login',
    shown: 'h1',
    act: async page => {
      await page.getByLabel('Token').fill('pbt_wrong')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('alert').first().waitFor()
    },
  })
  const { url } = await apiClient(t, server, PanelService).createLoginLink({})
  await page.goto(url)
  await page.waitForURL(`${origin}/`)
  for (const screen of ALL) await take(page, origin, screen)
} finally {
  for (const end of ends) await end()
}

async function take(page: Page, origin: string, { name, path, shown, act, isWhole }: Screen): Promise<void> {
  if (!name.includes(values.only)) return
  for (const [width, height] of SIZES) {
    if (values.width !== '' && Number(values.width) !== width) continue
    await page.setViewportSize({ width, height })
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme })
      const file = join(folder ?? '', `${name}-${width}-${colorScheme}.png`)
      try {
        await page.goto(origin + path)
        await page.locator(shown).first().waitFor()
        await act?.(page)
      } catch (error) {
        process.stderr.write(`${file}: ${error instanceof Error ? error.message : error}\n`)
      }
      await page.waitForTimeout(REST_MS)
      const high = isWhole ? Number(await page.evaluate('document.documentElement.scrollHeight')) : height
      // What is at the foot of the window stays there.
      if (high > height) await page.setViewportSize({ width, height: high })
      await page.screenshot({ path: file, animations: 'disabled' })
      if (high > height) await page.setViewportSize({ width, height })
    }
  }
  process.stdout.write(`${name}\n`)
}
