// What the panel costs and how fast it is, in a real Chromium, with 200 tunnels and a log of a million records: first load, time until
// each page shows what it is for, the log while 200 records a second come, and what visitors notice of an open panel.
// `node bench/panel.ts [--seconds N] [--rounds N] [--quick]`.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Browser, chromium, type Page } from 'playwright-core'
import { buildPanel, OUT } from '../scripts/panel.ts'
import { clientsAt } from '../server/src/api/client.ts'
import { socketDirectory } from '../server/src/api/open.ts'
import { CHROMIUM, FLAGS } from '../server/test/support/browser.ts'
import { fillLog, namesOf, RECORDS } from './support/log-fill.ts'
import { type Load, type Measured, measure, median } from './support/measure.ts'
import { milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

const TUNNELS = 200
const TIMES = 5
/** The log's rate and how long it is watched, seconds. */
const TAIL_RATE = 200
const TAIL_SECONDS = 10
/** After a page was opened or left, until visitors are measured, milliseconds. */
const SETTLE_MS = 2_000

interface OnePage {
  readonly name: string
  readonly path: string
  readonly search?: string
  /** The link to it on the dashboard, or on any page; the rail's unless said. */
  readonly link?: string
  /** What the page is for is there when this is. */
  readonly shown: string
}

const options = readOptions(1.5, 12)
const report = new Report('panel', `the panel with ${TUNNELS} tunnels and ${RECORDS} records, in Chromium`)
const names = namesOf(TUNNELS)
const PAGES: readonly OnePage[] = [
  { name: 'Dashboard', path: '/', shown: '.tun [data-row]' },
  {
    name: 'Tunnel',
    path: '/tunnel',
    search: `?name=${names[0]}`,
    link: '.tun a[href^="/tunnel"]',
    shown: '.canvas canvas',
  },
  { name: 'Addresses', path: '/addresses', shown: '#main [data-row]' },
  { name: 'Domains', path: '/domains', shown: '#main .card' },
  { name: 'Clients', path: '/clients', shown: '#main .card' },
  { name: 'Logs', path: '/logs', shown: '.vlog-row.record' },
  { name: 'Metrics', path: '/metrics', shown: '.canvas canvas' },
  { name: 'Explain', path: '/explain', shown: 'form.ask' },
  { name: 'Security', path: '/security', shown: '#main .card' },
  { name: 'Settings', path: '/settings', shown: '.settings li' },
]
await buildPanel()
const origin = await startOrigin()
const system = await pbtWith(
  ['up', ...names.map(name => `http:${origin.port},domain=${name}`)],
  undefined,
  [],
  ['--access-log-megabytes', '2000'],
  line => line.includes(`//${names.at(-1)}.`),
  dataDir => fillLog(dataDir, names),
)
const [socket = ''] = readdirSync(socketDirectory(system.dataDir)).filter(name => name.endsWith('.sock'))
const api = clientsAt(join(socketDirectory(system.dataDir), socket))
const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS] })
const panel = await loggedIn(browser)

reportSizes()
await reportLoads()
await reportAnswers()
await reportTail()
await reportTraffic()
report.save()
await browser.close()
await system.stop()
await origin.running.stop()
process.exit(0)

async function loggedIn(browser: Browser): Promise<{ page: Page; base: string }> {
  const { url } = await api.panel.createLoginLink({})
  const page = await (
    await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1440, height: 900 } })
  ).newPage()
  await page.goto(url)
  const base = new URL(url).origin
  await page.waitForURL(`${base}/`)
  await page.locator('.tun [data-row]').first().waitFor()
  return { page, base }
}

function reportSizes(): void {
  const rows = readdirSync(OUT)
    .filter(name => name.endsWith('.html'))
    .map(name => {
      const tags = readFileSync(join(OUT, name), 'utf8').match(/<script[^>]*\ssrc="[^"]+"[^>]*>/g) ?? []
      const scripts = new Set(
        tags.filter(tag => !/nomodule/i.test(tag)).map(tag => /src="([^"?]+)/.exec(tag)?.[1] ?? ''),
      )
      const bytes = [...scripts].map(file => gzipSync(readFileSync(join(OUT, file))).length)
      return [name, String(scripts.size), (bytes.reduce((sum, each) => sum + each, 0) / 1_000).toFixed(0)]
    })
  report.table('First load: the scripts that each page names', ['page', 'files', 'kB as gzip'], rows)
}

/** The whole page anew, with an empty cache and with a full one: until what it is for is shown. */
async function reportLoads(): Promise<void> {
  const { page, base } = panel
  const session = await page.context().newCDPSession(page)
  const rows: string[][] = []
  for (const { name, path, search = '', shown } of PAGES) {
    const times: [cold: number[], warm: number[]] = [[], []]
    for (let time = 0; time < TIMES; time++) {
      for (const [index, isCached] of [false, true].entries()) {
        if (!isCached) await session.send('Network.clearBrowserCache')
        await page.goto(base + path + search, { waitUntil: 'commit' })
        await page.locator(shown).first().waitFor()
        times[index === 0 ? 0 : 1].push(await page.evaluate(() => performance.now()))
      }
    }
    rows.push([name, ...times.flatMap(each => [milli(median(each)), milli(Math.max(...each))])])
  }
  const columns = ['page', 'empty cache, median ms', 'the longest ms', 'full cache, median ms', 'the longest ms']
  report.table('Loaded anew, until it shows what it is for', columns, rows)
}

/** By a click, and the questions that the server is asked. */
async function reportAnswers(): Promise<void> {
  const { page, base } = panel
  const rows: string[][] = []
  for (const { name, path, shown, link = `.rail a[href="${path}"]` } of PAGES) {
    const times: number[] = []
    const asked: number[] = []
    for (let time = 0; time < TIMES; time++) {
      await page.goto(base + (path === '/' ? '/settings' : '/'))
      await page.locator(link).first().waitFor()
      await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => {})
      const [click, end] = await clicked(page, link, path, shown)
      times.push(end - click)
      const found = await page.evaluate(
        since =>
          performance
            .getEntriesByType('resource')
            .filter(({ name, startTime }) => startTime >= since && /pbt\.admin/.test(name) && !/Watch|Tail/.test(name))
            .map(({ duration }) => duration),
        click,
      )
      asked.push(...found)
    }
    rows.push([
      name,
      milli(median(times)),
      milli(Math.max(...times)),
      milli(median(asked)),
      milli(Math.max(0, ...asked)),
    ])
  }
  report.table(
    'By a click, until it shows what it is for; and its questions to the server',
    ['page', 'median ms', 'the longest ms', 'a question, median ms', 'the longest ms'],
    rows,
  )
}

/** When the link was clicked and when the page showed what it is for, by the page's clock. */
async function clicked(page: Page, link: string, path: string, shown: string): Promise<[number, number]> {
  return await page.evaluate(
    ([link, path, shown]) =>
      new Promise<[number, number]>(resolve => {
        type Node = { click(): void }
        const { document, location, requestAnimationFrame } = globalThis as unknown as {
          location: { pathname: string }
          document: { querySelector(text: string): Node | null }
          requestAnimationFrame(call: () => void): void
        }
        const began = performance.now()
        document.querySelector(link)?.click()
        const look = () => {
          if (location.pathname !== path || document.querySelector(shown) === null) requestAnimationFrame(look)
          else resolve([began, performance.now()])
        }
        requestAnimationFrame(look)
      }),
    [link, path, shown] as const,
  )
}

/** Long tasks of the page while records come, and while it is scrolled. */
async function reportTail(): Promise<void> {
  const { page, base } = panel
  await page.goto(`${base}/logs`)
  await page.locator('.vlog-row.record').first().waitFor()
  await page.evaluate(() => {
    const tasks: number[] = []
    Object.assign(globalThis, { longTasks: tasks })
    new PerformanceObserver(list => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      // Node's types do not know what browsers observe.
      type: 'longtask' as 'measure',
    })
  })
  const end = Date.now() + TAIL_SECONDS * 1_000
  let sent = 0
  const visits: Promise<unknown>[] = []
  while (Date.now() < end) {
    const due = Math.floor(((TAIL_SECONDS * 1_000 - (end - Date.now())) / 1_000) * TAIL_RATE)
    for (; sent < due; sent++) {
      const visit = fetch(`http://127.0.0.1:${system.http}/tail/${sent}`, { headers: { host: system.host } })
      visits.push(visit.then(answer => answer.arrayBuffer()).catch(() => {}))
    }
    await page.mouse.wheel(0, sent % 3 === 0 ? 600 : -600)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await Promise.all(visits)
  const tasks = (await page.evaluate('globalThis.longTasks')) as number[]
  report.say(
    `\nThe log while ${(sent / TAIL_SECONDS).toFixed(0)} records a second come and it is scrolled: ${tasks.length} long tasks (over 50 ms) in` +
      ` ${TAIL_SECONDS} s, the longest ${Math.max(0, ...tasks).toFixed(0)} ms`,
  )
}

/** Visitors with the dashboard open and without, in turns. */
async function reportTraffic(): Promise<void> {
  const { page, base } = panel
  const load: Load = { kind: 'requests', isTls: false, connections: 64, warmupSeconds: 0.7, seconds: options.seconds }
  const ratios: number[] = []
  const costs: number[] = []
  for (let round = 0; round <= options.rounds; round++) {
    const sides: (Measured | undefined)[] = []
    for (const isOpen of round % 2 === 0 ? [true, false] : [false, true]) {
      await page.goto(isOpen ? `${base}/` : 'about:blank')
      if (isOpen) await page.locator('.tun [data-row]').first().waitFor()
      // The page that was left is taken apart and the other one drawn: neither is what an open panel costs.
      await page.waitForTimeout(SETTLE_MS)
      sides[isOpen ? 1 : 0] = await measure(system, load)
    }
    const [without, beside] = sides
    if (round === 0 || without === undefined || beside === undefined) continue
    ratios.push(beside.perSecond / without.perSecond)
    const perRequest = (of: Measured) => of.edgeSeconds / (of.perSecond * of.seconds)
    costs.push(perRequest(beside) / perRequest(without))
  }
  report.say(
    `\nVisitors beside an open dashboard, ${ratios.length} rounds, medians: ${median(ratios).toFixed(3)} of the requests a second, and` +
      ` ${median(costs).toFixed(3)} of the server's CPU a request (the browser takes its part of the same cores)`,
  )
}
