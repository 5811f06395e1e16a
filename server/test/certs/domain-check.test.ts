// A domain's whole story as its owner sees it, in the command and in the panel: what is missing, what comes, what the CA refuses or CAA forbids.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import type { Page } from 'playwright-core'
import { INSTALL_MS } from '../support/browser.ts'
import { run } from '../support/commands.ts'
import { inaccessible, openPanel, type PanelPage, picture, WIDTHS } from '../support/panel.ts'
import { lastingPort } from '../support/ports.ts'
import { program, type RunningServer, SERVER, startServer } from '../support/programs.ts'
import { type FaultProxy, modernCa, type Rule, startFaultProxy } from './support/fault-proxy.ts'
import { hasPebble, type Pebble, startPebble } from './support/pebble.ts'
import { TestDns } from './support/test-dns.ts'

const NAME = 'app.mine.test'
/** The CA issues nothing for it. */
const REFUSED = 'refused.mine.test'
/** Has its certificate already when CAA forbids the CA. */
const FORBIDDEN = 'forbidden.mine.test'
const HERE = '127.0.0.1'
/** What CAA records call the CA. */
const CA = 'pebble.test'
const MISSING = ['localhost A 127.0.0.1', 'mine.test NS ns.mine.test', `${REFUSED} A ${HERE}`]
const RIGHT = [...MISSING, `${NAME} A ${HERE}`, `${FORBIDDEN} A ${HERE}`]
const CAA = 'mine.test CAA 0 issue other-ca.test'
const DAY_MS = 86_400_000
/** A panel shows what changes within seconds; machines that run many tests are slower. */
const SEEN_MS = 30_000

interface Place {
  readonly dns: TestDns
  readonly pebble: Pebble
  readonly proxy: FaultProxy
  readonly server: RunningServer
}

/** Server and CA ask the same DNS. */
async function startPlace(t: TestContext): Promise<Place> {
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const dns = await TestDns.start(t, '127.0.0.1', 0, true, { records: MISSING })
  const dnsServer = `127.0.0.1:${dns.port}`
  const config = { domainBlocklist: [REFUSED] }
  const pebble = await startPebble(t, { dnsServer, httpPort: ports.http, config, validitySeconds: 600 })
  const proxy = await startFaultProxy(t, pebble, renewing(true))
  const serverArgs = ['--acme-directory', proxy.directory, '--acme-ca', pebble.caFile, '--dns-resolver', dnsServer]
  const server = await startServer(t, { ports, serverArgs: [...serverArgs, '--public-address', HERE] })
  return { dns, pebble, proxy, server }
}

/** A CA that wants its certificates renewed tomorrow, or now, which `then` hears first. */
function renewing(isLater: boolean, then = () => {}): Rule {
  const renewal = () => {
    then()
    const start = Date.now() + (isLater ? DAY_MS : -DAY_MS)
    return { start, end: start + 1_000 }
  }
  return modernCa({ renewal, caaIdentities: [CA] })
}

async function check(t: TestContext, { dataDir }: RunningServer, name: string) {
  const { code, stdout } = await run(t, SERVER, ['domain', 'check', name, '--json', '--data-dir', dataDir])
  const events = stdout
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>)
  return { code, checks: events.filter(({ event }) => event === 'check') }
}

test('I5: a domain is checked step by step, in the command and in the panel, until it is right and has its certificate', {
  timeout: INSTALL_MS,
}, async t => {
  if (!hasPebble(t)) return
  const place = await startPlace(t)
  await t.test('the command says what to create, and fails until it is there', t => commandSays(t, place))
  await t.test('each check is told when it is known, while another still waits', t => toldAsKnown(t, place))
  const panel = await openPanel(t, place.server)
  if (panel === undefined) return
  panel.page.setDefaultTimeout(SEEN_MS)
  await t.test('in the panel it is added, and its records are shown with what is missing', () => isAdded(panel))
  await t.test('what is created gets its tick, and the certificate comes, without an act', () => comes(panel, place))
  let served = ''
  await t.test('CAA forbids the CA just before a renewal: no order is spent, what is there serves on', async t => {
    served = await forbidden(t, place)
  })
  await t.test('one that the CA refuses: the list says so, with the words and an act', () => isRefused(panel))
  await t.test('CAA allows the CA again: what it forbade is renewed without an act', () => allowed(place, served))
  await t.test('it is removed after a question', () => isRemoved(panel))
})

async function commandSays(t: TestContext, { server, dns }: Place): Promise<void> {
  const before = await check(t, server, NAME)
  assert.equal(before.code, 1)
  const [address] = before.checks.filter(({ step }) => step === 'address')
  assert.deepEqual(
    [address?.state, address?.message, address?.cure],
    ['failed', `${NAME} has no address at all`, `create ${NAME} A ${HERE}`],
  )
  assert.deepEqual(address?.record, { name: NAME, type: 'A', value: HERE })
  const port = before.checks.find(({ step }) => step === 'port-80')
  assert.equal(port?.state, 'not-checked', 'no client is connected that could look')

  dns.zones = { records: [...RIGHT, CAA] }
  const after = await check(t, server, NAME)
  assert.equal(after.code, 1)
  assert.equal(after.checks.find(({ step }) => step === 'address')?.state, 'ok')
  const caa = after.checks.find(({ step }) => step === 'caa')
  assert.deepEqual(
    [caa?.state, caa?.message, caa?.cure],
    ['failed', 'CAA at mine.test allows only other-ca.test', `add ${NAME} CAA 0 issue "${CA}"`],
  )
}

async function toldAsKnown(t: TestContext, { server, dns }: Place): Promise<void> {
  dns.zones = { records: RIGHT, faults: { [`${NAME} CAA`]: 'silent' } }
  const checking = program(t, SERVER, ['domain', 'check', NAME, '--data-dir', server.dataDir])
  await checking.until(() => /^ok +address +\S/m.test(checking.said) || undefined, 'the check of the address')
  assert.doesNotMatch(checking.said, /^\S+ +caa /m)
  dns.zones = { records: RIGHT }
  assert.equal((await checking.exited).code, 0, checking.stderr)
  assert.match(checking.said, new RegExp(`^\\S+ +caa [^]*\\n\\nnothing stands in the way of ${NAME}\\n$`, 'm'))
  dns.zones = { records: MISSING }
}

async function add({ page, origin }: PanelPage, name: string): Promise<void> {
  await page.getByLabel('Domain', { exact: true }).fill(name)
  await page.getByRole('button', { name: `Add ${name}` }).click()
  await page.waitForURL(`${origin}/domains?name=${name}`)
}

/** Of a desk in the light and a phone in the dark. */
async function pictures(page: Page, name: string): Promise<void> {
  assert.deepEqual(await inaccessible(page), [])
  await picture(page, `${name}-light-1440`)
  await page.setViewportSize({ width: 390, height: WIDTHS[390] })
  await page.emulateMedia({ colorScheme: 'dark' })
  assert.deepEqual(await inaccessible(page), [])
  await picture(page, `${name}-dark-390`)
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1440, height: WIDTHS[1440] })
}

async function isAdded(panel: PanelPage): Promise<void> {
  const { page, origin } = panel
  await page.goto(`${origin}/domains`)
  await page.getByText('None yet. Add one', { exact: false }).waitFor()
  await add(panel, NAME)
  // It is an address of the owner at once, wherever addresses are shown.
  await page.getByRole('link', { name: 'Addresses' }).first().click()
  await page.getByRole('button', { name: 'Domains 1', exact: true }).waitFor()
  await page.goBack()
  await page.getByRole('heading', { name: '0 of 1 record seen' }).waitFor()
  await page.getByText('Not seen yet.').waitFor()
  await page.getByText(`Create ${NAME} A ${HERE}.`).first().waitFor()
  await page.getByRole('button', { name: `Copy ${HERE}`, exact: true }).click()
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), HERE)
  await pictures(page, 'domain-waits')
}

/** Page and server look every 10 s each. */
async function comes({ page }: PanelPage, place: Place): Promise<void> {
  place.dns.zones = { records: RIGHT }
  await page.getByRole('heading', { name: '1 of 1 record seen' }).waitFor()
  await page.getByText('It has a certificate by ', { exact: false }).waitFor()
  await page.getByRole('listitem').filter({ hasText: 'Tunnel' }).and(page.locator('[aria-current=step]')).waitFor()
  await pictures(page, 'domain-issued')
  await serialOf(place, NAME)
}

/** Of the certificate that is served, which Pebble's root vouches for. */
async function serialOf({ server, pebble }: Place, servername: string): Promise<string> {
  const socket: TLSSocket = connect({ port: server.https, host: HERE, servername, ca: await pebble.root() })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

function logged({ server }: Place, pattern: RegExp, times = 1): Promise<true> {
  const { program } = server
  const has = () => (program.stderr.match(pattern)?.length ?? 0) >= times || undefined
  return program.until(has, String(pattern), SEEN_MS)
}

const CAME = new RegExp(`a certificate has come.*${FORBIDDEN}`, 'g')

function ordersOf({ proxy }: Place): number {
  return proxy.of('newOrder').filter(({ payload = '' }) => payload.includes(FORBIDDEN)).length
}

/** A CAA record forbids the CA just before a certificate is renewed; what is served then. */
async function forbidden(t: TestContext, place: Place): Promise<string> {
  const { dns, proxy, server } = place
  await logged(place, new RegExp(`the CA says when to renew.*${NAME}`, 'g'))
  const retried = await run(t, SERVER, ['domain', 'retry', NAME, '--data-dir', server.dataDir])
  assert.match(retried.stdout, new RegExp(`^${NAME} has its certificate: there is nothing to try until it is renewed`))
  proxy.rule = renewing(false, () => {
    dns.zones = { records: [...RIGHT, CAA] }
    proxy.rule = renewing(true)
  })
  const added = await run(t, SERVER, ['domain', 'add', FORBIDDEN, '--data-dir', server.dataDir])
  assert.match(added.stdout, new RegExp(`^${FORBIDDEN} is added`))
  await logged(place, CAME)
  await logged(place, new RegExp(`no new certificate.*${FORBIDDEN}`, 'g'))
  const { stdout } = await run(t, SERVER, ['domain', 'list', '--data-dir', server.dataDir])
  assert.match(stdout, new RegExp(`^${FORBIDDEN} +error +2\\d{3}-`, 'm'))
  assert.ok(stdout.includes(`${FORBIDDEN}: CAA at mine.test allows only other-ca.test`), stdout)
  assert.ok(stdout.includes(`  add ${FORBIDDEN} CAA 0 issue "${CA}"`), stdout)
  assert.equal(ordersOf(place), 1, 'the renewal is not spent')
  const serial = await serialOf(place, FORBIDDEN)
  dns.zones = { records: RIGHT }
  return serial
}

async function allowed(place: Place, before: string): Promise<void> {
  await logged(place, CAME, 2)
  assert.equal(ordersOf(place), 2)
  assert.notEqual(await serialOf(place, FORBIDDEN), before)
}

async function isRefused(panel: PanelPage): Promise<void> {
  const { page, origin } = panel
  await page.getByRole('link', { name: 'Domains' }).first().click()
  await page.waitForURL(`${origin}/domains`)
  await add(panel, REFUSED)
  await page.getByRole('region', { name: `Trouble with ${REFUSED}` }).waitFor()
  await page.getByText('What stands in the way, and what to do, is below.', { exact: false }).waitFor()
  await pictures(page, 'domain-refused')
  await page.getByRole('link', { name: 'Domains' }).first().click()
  await page.waitForURL(`${origin}/domains`)
  const trouble = page.getByRole('region', { name: `Trouble with ${REFUSED}` })
  await trouble.getByText('rejectedIdentifier').waitFor()
  await trouble.getByText('policy', { exact: false }).waitFor()
  await trouble.getByText('This CA issues no certificate for that name', { exact: false }).waitFor()
  await trouble.getByRole('button', { name: 'Try now' }).waitFor()
  await pictures(page, 'domains-trouble')
}

async function isRemoved({ page, problems }: PanelPage): Promise<void> {
  for (const name of [REFUSED, NAME, FORBIDDEN]) {
    await page.getByRole('button', { name: `Acts on ${name}` }).click()
    await page.getByRole('menuitem', { name: 'Remove…' }).click()
    await page.getByRole('button', { name: `Remove ${name}` }).click()
    await page.getByRole('button', { name: `Acts on ${name}` }).waitFor({ state: 'detached' })
  }
  await page.getByText('None yet. Add one', { exact: false }).waitFor()
  // The browser fetches what links lead to, and says so when nobody follows them.
  assert.deepEqual(
    problems.list.filter(text => !/preloaded using link preload/.test(text)),
    [],
  )
}
