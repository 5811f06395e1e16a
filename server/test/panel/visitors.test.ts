// Visitors in the panel: who was turned away is let in from the log, and who goes does not move those who stay under the pointer.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { AddressService, Allowlist_Access, MetricsService, PanelService } from '@pbt/proto/admin/v1'
import type { Page } from 'playwright-core'
import { apiClient } from '../support/api-client.ts'
import { INSTALL_MS } from '../support/browser.ts'
import { until } from '../support/daemon.ts'
import { inaccessible, openPanel, picture } from '../support/panel.ts'
import { startClient, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { visit } from '../support/tcp-visitors.ts'
import { rawVisitor, statusOf } from '../support/visitors.ts'

const OTHER = '127.0.0.9'

test('a link logs in where the login is open; refused visitors are let in from their records; rows stay under the pointer', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const panel = await openPanel(t, server, { login: false })
  if (panel === undefined) return
  const { page, problems, origin } = panel
  const [web, raw] = [
    await httpTarget(t, (_request, response) => response.end('here')),
    await rawTarget(t, socket => void socket.once('end', () => socket.end()).resume()),
  ]
  const { client } = await startClient(t, server, ['up', `http:${web},domain=app`, `tcp:${raw},name=ssh`])
  const port = await client.until(() => {
    const urls = client.events.flatMap(({ event, urls }) => (event === 'online' ? (urls as string[]) : []))
    return urls.find(url => url.startsWith('tcp:'))
  }, 'the port')

  await t.test('a link that is pasted where the login page is open logs in', async () => {
    await page.goto(`${origin}/login`)
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    await page.locator('input:focus').waitFor()
    const { url } = await apiClient(t, server, PanelService).createLoginLink({})
    await page.goto(url)
    await page.waitForURL(`${origin}/`)
    await page.getByRole('heading', { name: 'All 2 tunnels are reachable' }).waitFor()
  })

  await t.test('the record of who was turned away says why, and lets them in by a press or two keys', async () => {
    const allowlist = { access: Allowlist_Access.LISTED, entries: [{ block: '203.0.113.7' }] }
    await apiClient(t, server, AddressService).setAllowlist({ address: 'app', allowlist })
    assert.equal(await statusOf(t, server, 'app.localhost', '/first'), '403')
    await page.goto(`${origin}/logs`)
    const sheet = page.locator('#record')
    await page.getByRole('button', { name: '/first' }).click()
    await sheet.getByText('127.0.0.1 was not on the list of app').waitFor()
    await sheet.getByText('The list has 1 entry', { exact: false }).waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'logs-refused-record-light-1440')
    await sheet.getByRole('button', { name: 'Allow for 8 hours: 127.0.0.1' }).click()
    await sheet.getByText('127.0.0.1 may come in now').waitFor()
    await sheet.getByText('It is on the list of app until', { exact: false }).waitFor()
    assert.equal(await statusOf(t, server, 'app.localhost', '/second'), '200')

    const other = await rawVisitor(t, server, OTHER)
    other.send('GET /third HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
    await other.until(/^HTTP\/1\.1 403 /)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: '/third' }).click()
    await sheet.getByText(`${OTHER} was not on the list of app`).waitFor()
    await page.keyboard.press('a')
    await page.keyboard.press('Enter')
    await sheet.getByText(`${OTHER} may come in now`).waitFor()
    await sheet.getByText('It is on the list of app.').waitFor()
    await page.keyboard.press('Escape')
  })

  await t.test('the count of who was turned away lists them alone, and all again', async () => {
    const figures = apiClient(t, server, MetricsService)
    await until(
      async () => (await figures.getTotals({})).totals?.refused === 2n,
      () => 'the figures',
    )
    await page.goto(`${origin}/logs`)
    const sheet = page.locator('#record')
    const count = page.getByRole('button', { name: '2 turned away' })
    await count.click()
    await page.waitForURL(/q=answer%3Arefused/)
    await page.getByRole('button', { name: '/third' }).waitFor()
    await page.getByRole('button', { name: '/second' }).waitFor({ state: 'detached' })
    await count.click()
    const second = page.getByRole('button', { name: '/second' })
    await second.waitFor()
    await page.setViewportSize({ width: 390, height: 844 })
    await second.click()
    await sheet.waitFor()
    await page.goBack()
    await sheet.waitFor({ state: 'detached' })
    assert.equal(page.url(), `${origin}/logs`)
    await page.setViewportSize({ width: 1440, height: 900 })
  })

  await t.test('one who goes leaves a grey row, and the others where they are, until the pointer leaves', async () => {
    const visitors: Socket[] = []
    for (const from of ['127.0.0.21', '127.0.0.22', '127.0.0.23']) {
      const visitor = await visit(t, Number(new URL(port).port), from)
      // The owner ends one of them.
      visitor.on('error', () => {})
      visitors.push(visitor)
    }
    await page.goto(`${origin}/tunnel?name=ssh`)
    const aimed = page.getByRole('button', { name: 'End the connection of 127.0.0.23' })
    await aimed.hover()
    const before = await topOf(page, '127.0.0.23')
    visitors[0]?.destroy()
    const ended = page.getByRole('button', { name: 'Ended: the connection of 127.0.0.21' })
    await ended.waitFor()
    assert.equal(await topOf(page, '127.0.0.23'), before)
    assert.deepEqual(await inaccessible(page), [])
    await page.mouse.move(0, 0)
    await ended.waitFor({ state: 'detached' })
    await aimed.click()
    await page.getByText('The connection of 127.0.0.23 is ended').waitFor()
  })
  assert.deepEqual([...problems.list], [])
})

/** Where the row of this visitor stands, pixels from the head of its list. */
async function topOf(page: Page, peer: string): Promise<number> {
  const row = page.locator('.lines [data-row]', { hasText: peer })
  return await row.evaluate(element => (element as unknown as { offsetTop: number }).offsetTop)
}
