// The panel in a real browser: built when it must be, one browser for a file of tests, and everything that goes wrong in a page noted.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { buildPanel } from '../../../scripts/panel.ts'
import { CHROMIUM, FLAGS, hasChromium } from './browser.ts'
import { ROOT, type RunningServer } from './programs.ts'

/** Where a person finds pictures of every page; not committed. */
export const SCREENS = join(ROOT, 'admin/.screens')
/** A desk, a tablet and a phone: width and height. */
export const WIDTHS = { 1440: 900, 820: 1180, 390: 844 } as const
/** Only a failure ever waits for it; the machine may be busy. */
const WAIT_MS = 30_000

let browser: Promise<Browser> | undefined
after(async () => await (await browser)?.close())

/** What went wrong in a page: each console line that is an error or a warning, exception, failed request, answer from 400 on. */
export interface Problems {
  readonly list: readonly string[]
  /** What came until now was meant to be. */
  forget(): void
}

/** A page of the panel, logged in or not. */
export interface PanelPage {
  readonly page: Page
  readonly context: BrowserContext
  readonly problems: Problems
  /** Where the panel is. */
  readonly origin: string
}

export interface PanelOptions {
  readonly width?: keyof typeof WIDTHS
  readonly scheme?: 'light' | 'dark'
  /** Else nobody is logged in. */
  readonly login?: boolean
}

/** A page in a browser of its own, closed after the test; undefined, and the test skipped, when there is no browser. */
export async function openPanel(
  t: TestContext,
  server: RunningServer,
  { width = 1440, scheme = 'light', login = true }: PanelOptions = {},
): Promise<PanelPage | undefined> {
  if (!hasChromium()) {
    t.skip('chromium is not installed: apt-get install chromium')
    return undefined
  }
  await buildPanel()
  browser ??= chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS] })
  const context = await (await browser).newContext({
    ignoreHTTPSErrors: true,
    viewport: { width, height: WIDTHS[width] },
    colorScheme: scheme,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  t.after(() => context.close())
  context.setDefaultTimeout(WAIT_MS)
  const page = await context.newPage()
  const problems = watchProblems(page)
  const origin = `https://admin.localhost:${server.https}`
  if (login) {
    await page.goto(`${origin}/login`)
    await page.getByLabel('Token').fill(server.token)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL(`${origin}/`)
  }
  return { page, context, problems, origin }
}

/** The machine's network is another one, as when an interface comes or goes: a browser breaks off all that is under way, and the page asks again. */
const NETWORK_CHANGED = 'net::ERR_NETWORK_CHANGED'

/** Notes what goes wrong in this page from now on. */
export function watchProblems(page: Page): Problems {
  const list: string[] = []
  page.on('console', line => {
    if ((line.type() === 'error' || line.type() === 'warning') && !line.text().includes(NETWORK_CHANGED))
      list.push(`${line.type()}: ${line.text()} (${line.location().url})`)
  })
  page.on('pageerror', error => list.push(`exception: ${error.stack ?? error}`))
  page.on('requestfailed', request => {
    const why = request.failure()?.errorText ?? ''
    // Streams and questions of a page that is left.
    if (why !== 'net::ERR_ABORTED' && why !== NETWORK_CHANGED) list.push(`${why}: ${request.method()} ${request.url()}`)
  })
  page.on('response', response => {
    if (response.status() >= 400) list.push(`${response.status()}: ${response.request().method()} ${response.url()}`)
  })
  return {
    list,
    forget: () => {
      list.length = 0
    },
  }
}

/** The row of a list that has this text. */
export function row(page: Page, text: string) {
  return page.locator('[data-row]', { hasText: text }).first()
}

/** What axe-core finds, rule by rule with the elements; none when all is well. */
export async function inaccessible(page: Page): Promise<string[]> {
  axe ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(axe)
  return await page.evaluate(async () => {
    type Found = { violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }
    type Moving = { finished: Promise<unknown>; effect: { getComputedTiming(): { endTime: number } } }
    const { axe, document } = globalThis as unknown as {
      axe: { run(): Promise<Found> }
      document: { getAnimations(): Moving[] }
    }
    // A colour on its way to another one is not what is read.
    const ending = document.getAnimations().filter(({ effect }) => Number.isFinite(effect.getComputedTiming().endTime))
    await Promise.allSettled(ending.map(({ finished }) => finished))
    const { violations } = await axe.run()
    return violations.map(
      ({ id, impact, nodes }) =>
        `${id} (${impact}): ${nodes
          .slice(0, 3)
          .map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary.slice(0, 300)}`)
          .join(' | ')}`,
    )
  })
}

let axe: string | undefined

/** A picture as it is seen first, with this name. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENS, { recursive: true })
  await page.screenshot({ path: join(SCREENS, `${name}.png`), animations: 'disabled' })
}
