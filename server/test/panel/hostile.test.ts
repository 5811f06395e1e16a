// A page of a tunnel is of the same site as the panel: in a real browser, nothing that it can do reaches the owner's API.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressService } from '@pbt/proto/admin/v1'
import { build } from 'esbuild'
import { apiClient } from '../support/api-client.ts'
import { INSTALL_MS } from '../support/browser.ts'
import { openPanel } from '../support/panel.ts'
import { ROOT, startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

/** Runs in the hostile page. Tells what each try brought: a status, or why there was none. */
async function attack(admin: string): Promise<Record<string, string>> {
  const url = `${admin}/pbt.admin.v1.AddressService/ReserveAddress`
  const body = JSON.stringify({ address: 'evil' })
  const json = { 'content-type': 'application/json', 'connect-protocol-version': '1' }
  const tries: Record<string, RequestInit> = {
    json: { method: 'POST', headers: json, body, credentials: 'include' },
    'json without cors': { method: 'POST', headers: json, body, credentials: 'include', mode: 'no-cors' },
    text: { method: 'POST', body, credentials: 'include', mode: 'no-cors' },
    beacon: { method: 'POST', body, credentials: 'include', mode: 'no-cors', keepalive: true },
    get: { credentials: 'include' },
  }
  const found: Record<string, string> = {}
  for (const [name, init] of Object.entries(tries)) {
    found[name] = await fetch(url, init).then(
      response => `${response.type} ${response.status} ${response.type === 'opaque' ? '' : 'read'}`.trim(),
      () => 'blocked',
    )
  }
  type Page = { document: { cookie: string }; navigator: { sendBeacon(url: string, body: string): boolean } }
  const { document, navigator } = globalThis as unknown as Page
  const domain = `Domain=${new URL(admin).hostname.replace('admin.', '')}`
  document.cookie = `__Host-pbt=tossed; Path=/; Secure; ${domain}`
  document.cookie = `__Host-pbt=tossed; Path=/; Secure`
  document.cookie = `pbt=tossed; Path=/; ${domain}`
  navigator.sendBeacon(url, body)
  return found
}

test('A7, A8: a page of a tunnel can neither call the owner’s API, nor read it, frame it, or change who is logged in', {
  timeout: INSTALL_MS,
}, async t => {
  const seen: string[] = []
  const target = await httpTarget(t, (request, response) => {
    seen.push(String(request.headers.cookie ?? ''))
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>evil</title><p>hello')
  })
  const server = await startServer(t)
  await startTunnel(t, server, target, { domain: 'evil-page' })
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { context, origin, page } = panel
  const evil = await context.newPage()
  await evil.goto(`https://evil-page.localhost:${server.https}/`)
  // The owner is logged in in the same browser: the cookie never comes to the tunnel.
  assert.deepEqual(
    seen.map(cookie => cookie.includes('__Host-pbt')),
    seen.map(() => false),
  )
  const found = await evil.evaluate(attack, origin)
  t.diagnostic(JSON.stringify(found))
  for (const [name, result] of Object.entries(found)) assert.doesNotMatch(result, /read/, name)

  // A form that posts, as a page without scripts can.
  const posted = evil.waitForResponse(response => response.url().startsWith(origin))
  const arrived = evil.waitForEvent('framenavigated', { predicate: frame => frame.url().startsWith(origin) })
  await evil.evaluate(url => {
    type Form = { method: string; action: string; enctype: string; submit(): void }
    const page = (
      globalThis as unknown as { document: { body: { append(form: Form): void }; createElement(tag: string): Form } }
    ).document
    const form = page.createElement('form')
    Object.assign(form, { method: 'post', action: url, enctype: 'text/plain' })
    page.body.append(form)
    form.submit()
  }, `${origin}/pbt.admin.v1.AddressService/ReserveAddress`)
  assert.equal((await posted).status(), 415)
  await arrived
  await evil.waitForLoadState()

  // In a frame the panel is not shown.
  await evil.goto(`https://evil-page.localhost:${server.https}/`)
  const framed = evil.waitForEvent('requestfailed', { predicate: request => request.url().startsWith(origin) })
  await evil.setContent(`<iframe src="${origin}/"></iframe>`)
  assert.match((await framed).failure()?.errorText ?? '', /BLOCKED_BY_RESPONSE|ABORTED/)

  const { addresses } = await apiClient(t, server, AddressService).listAddresses({})
  assert.deepEqual(
    addresses.map(({ address }) => address),
    ['evil-page'],
  )
  // The session of the owner is what it was.
  await page.reload()
  await page.getByRole('link', { name: 'evil-page', exact: true }).waitFor()
  assert.equal(new URL(page.url()).pathname, '/')
})

test('a program of connect-web calls the API from the panel’s own origin: unary calls, a stream, and an error with its cure', {
  timeout: INSTALL_MS,
}, async t => {
  const server = await startServer(t)
  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: `${ROOT}/admin`, loader: 'ts' },
    ...{ bundle: true, write: false, format: 'iife', globalName: 'program', target: 'es2024' },
  })
  const { page } = panel
  await page.evaluate(`${outputFiles[0]?.text}; globalThis.program = program`)
  const found = await page.evaluate('program.run()')
  assert.deepEqual(found, {
    reserved: ['tcp:20022', 'udp:20022'],
    first: 'snapshot',
    event: 'address.reserved wiki',
    code: 'token-refused',
    hasCure: true,
  })
})

const PROGRAM = `
import { ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import { AddressService, PanelService, ServerService } from '@pbt/proto/admin/v1'
import { ErrorInfoSchema } from '@pbt/proto/google/rpc'

export async function run() {
  const transport = createConnectTransport({ baseUrl: location.origin })
  const addresses = createClient(AddressService, transport)
  const reserved = await addresses.reserveAddress({ address: 'tcp+udp:20022' })
  const watch = createClient(ServerService, transport).watch({})[Symbol.asyncIterator]()
  const first = (await watch.next()).value.message.case
  await addresses.reserveAddress({ address: 'wiki' })
  let event
  while (event === undefined) {
    const { message } = (await watch.next()).value
    if (message.case === 'event' && message.value.event.subject === 'wiki') event = message.value.event.kind + ' ' + message.value.event.subject
  }
  await watch.return()
  const error = await createClient(PanelService, transport).login({ proof: { case: 'code', value: 'guess' } }).catch(each => each)
  const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema)
  return {
    reserved: reserved.addresses.map(each => each.address),
    first, event, code: info.reason, hasCure: info.metadata.cure.length > 0,
  }
}`
