// Logs, Metrics, Explain and Settings in a real browser, with the real programs behind them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { AddressService, MetricsService } from '@pbt/proto/admin/v1'
import { apiClient } from '../support/api-client.ts'
import { INSTALL_MS } from '../support/browser.ts'
import { until } from '../support/daemon.ts'
import { inaccessible, openPanel, picture } from '../support/panel.ts'
import { startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

/** As the page has it. */
interface Canvas {
  readonly width: number
  readonly height: number
  getContext(kind: '2d'): { getImageData(x: number, y: number, width: number, height: number): { data: Uint8Array } }
}

function requestOf(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n`
}

test('the log shows a request within a second, filters, holds, explains one record, and is exported', {
  timeout: INSTALL_MS,
}, async t => {
  const target = await httpTarget(t, (request, response) => {
    response.statusCode = request.url === '/missing' ? 404 : 200
    response.end('here')
  })
  const server = await startServer(t)
  await startTunnel(t, server, target, { domain: 'app' })
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin } = panel
  const get = (path: string) => rawRequest(t, server, requestOf(path))
  await get('/before')
  await page.goto(`${origin}/logs`)
  await page.getByRole('button', { name: '/before' }).waitFor()
  const began = performance.now()
  await get('/now')
  await page.getByRole('button', { name: '/now' }).waitFor()
  const tookMs = performance.now() - began
  t.diagnostic(`a request was in the log after ${Math.round(tookMs)} ms`)
  assert.ok(tookMs < 1_000 + 2_000, `${tookMs} ms`)

  // The filter is in the address, and the server asks for it.
  await page.getByLabel('Filter').fill('answer:404 tunnel:app')
  await page.getByLabel('Filter').press('Enter')
  await page.waitForURL(/q=answer/)
  await get('/missing')
  await page.getByRole('button', { name: '/missing' }).waitFor()
  assert.equal(await page.getByRole('button', { name: '/now' }).count(), 0)
  await page.getByRole('button', { name: 'Remove answer:404' }).click()
  await page.getByRole('button', { name: '/now' }).waitFor()

  // Held: what comes waits, and is told.
  await page.getByRole('button', { name: 'Hold' }).click()
  await page.waitForURL(/until=\d+/)
  await get('/while-held')
  await page.getByText('1 newer record wait').waitFor()
  assert.equal(await page.getByRole('button', { name: '/while-held' }).count(), 0)
  await page.getByRole('button', { name: 'Show them' }).click()
  await page.getByRole('button', { name: '/while-held' }).waitFor()

  await page.getByRole('button', { name: '/missing' }).click()
  const sheet = page.locator('#record')
  await sheet.getByText('404').first().waitFor()
  assert.deepEqual(await inaccessible(page), [])
  await picture(page, 'logs-record-light-1440')
  await sheet.getByText('The record as JSON').click()
  const json = JSON.parse((await sheet.locator('.cmd > span').first().textContent()) ?? '') as Record<string, unknown>
  assert.deepEqual([json.status, json.tunnel, json.kind], [404, 'app', 'http'])
  await page.keyboard.press('Escape')
  await sheet.waitFor({ state: 'detached' })

  // By keys alone: rows one after the other, each in full, and held by space.
  await page.locator('.vlog-frame').focus()
  await page.keyboard.press('j')
  await sheet.getByText('GET /while-held').first().waitFor()
  await page.keyboard.press('j')
  await sheet.getByText('GET /missing').first().waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Space')
  await page.getByText('Held at', { exact: false }).waitFor()
  await page.keyboard.press('Space')
  await page.getByText('Held at', { exact: false }).waitFor({ state: 'detached' })

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export JSONL' }).click(),
  ])
  const lines = readFileSync(await download.path(), 'utf8')
    .trim()
    .split('\n')
  assert.deepEqual(
    lines.map(line => (JSON.parse(line) as { summary: string }).summary),
    ['GET /while-held', 'GET /missing', 'GET /now', 'GET /before'],
  )
  assert.deepEqual([...problems.list], [])
})

test('metrics are drawn with their figures as a table; explain says who stops a visitor and lets them in; settings say where each is from', {
  timeout: INSTALL_MS,
}, async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  await startTunnel(t, server, target, { domain: 'app' })
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, context, problems, origin } = panel
  for (let time = 0; time < 20; time++) await rawRequest(t, server, requestOf(`/${time}`))
  // The page asks once a minute, and the server writes a moment later than it answers.
  const figures = apiClient(t, server, MetricsService)
  await until(
    async () => (await figures.getTotals({})).totals?.requests === 20n,
    () => 'the figures',
  )
  await page.goto(`${origin}/metrics?range=1h`)
  await page.getByRole('heading', { name: '20 requests' }).waitFor()
  assert.equal(await page.locator('canvas').count(), 4)
  const inked = await page
    .locator('canvas')
    .first()
    .evaluate(element => {
      const canvas = element as unknown as Canvas
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
      return Array.from(data).filter(value => value !== 0).length
    })
  assert.ok(inked > 500, String(inked))
  await page.getByRole('button', { name: '20 requests as a table' }).click()
  await page.getByRole('columnheader', { name: 'failed', exact: true }).waitFor()
  await page.locator('.canvas').first().focus()
  await page.keyboard.press('ArrowLeft')
  await page.locator('.key .push').first().waitFor()
  await page.getByRole('link', { name: 'app', exact: true }).waitFor()

  // A page that stays open goes on with the time: half a minute later by its clock.
  const open = await context.newPage()
  await open.clock.install({ time: new Date() })
  await open.goto(`${origin}/tunnel?name=app`)
  await open.getByText('20 requests').waitFor()
  await rawRequest(t, server, requestOf('/later'))
  await until(
    async () => (await figures.getTotals({})).totals?.requests === 21n,
    () => 'the next figure',
  )
  await open.clock.fastForward(30_000)
  await open.getByText('21 requests').waitFor()
  await open.close()

  const addresses = apiClient(t, server, AddressService)
  await addresses.setAllowlist({ address: 'app', allowlist: { access: 3, entries: [{ block: '203.0.113.0/24' }] } })
  await page.goto(`${origin}/explain?address=app&from=127.0.0.1`)
  await page.getByText('stops here').waitFor()
  assert.deepEqual(await inaccessible(page), [])
  await picture(page, 'explain-refused-light-1440')
  await page.getByRole('button', { name: 'Allow for 8 hours' }).click()
  await page.getByText(/lets 127\.0\.0\.1 in until \d\d:\d\d/).waitFor()
  await page.getByRole('heading', { name: /reaches/ }).waitFor()
  await page.getByLabel('Address', { exact: true }).fill('a b')
  await page.keyboard.press('Enter')
  await page.locator('.note.bad').waitFor()
  problems.forget()

  await page.goto(`${origin}/settings`)
  const port = page.locator('.settings li', { hasText: 'https-port' }).first()
  assert.match(String(await port.textContent()), new RegExp(`${server.https}[\\s\\S]*--https-port`))
  await page.getByRole('heading', { name: 'Health' }).waitFor()
  assert.deepEqual([...problems.list], [])
})
