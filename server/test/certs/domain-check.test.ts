// What the owner sees of a domain whose DNS is not right yet: in the command, in the panel, and in what is explained.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { INSTALL_MS } from '../support/browser.ts'
import { run } from '../support/commands.ts'
import { inaccessible, openPanel, picture } from '../support/panel.ts'
import { program, type RunningServer, SERVER, startServer } from '../support/programs.ts'
import { TestDns } from './support/test-dns.ts'

const NAME = 'app.mine.test'
const HERE = '203.0.113.7'
const RIGHT = ['mine.test NS ns.mine.test', `${NAME} A ${HERE}`]
/** A panel shows what changes within seconds; machines that run many tests are slower. */
const SEEN_MS = 30_000

/** No CA answers: what is looked at before an order is all there is. */
async function startBoth(t: TestContext, records: readonly string[]): Promise<{ server: RunningServer; dns: TestDns }> {
  const dns = await TestDns.start(t, '127.0.0.1', 0, true, { records })
  const serverArgs = ['--acme-directory', 'https://127.0.0.1:9/directory', '--dns-resolver', `127.0.0.1:${dns.port}`]
  serverArgs.push('--public-address', HERE)
  return { server: await startServer(t, { serverArgs }), dns }
}

async function check(t: TestContext, { dataDir }: RunningServer, name: string) {
  const { code, stdout } = await run(t, SERVER, ['domain', 'check', name, '--json', '--data-dir', dataDir])
  const events = stdout
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>)
  return { code, checks: events.filter(({ event }) => event === 'check') }
}

test('I5: a domain is checked step by step, in the command and in the panel, until it is right', {
  timeout: INSTALL_MS,
}, async t => {
  const { server, dns } = await startBoth(t, RIGHT.slice(0, 1))

  await t.test('the command says what to create, and fails until it is there', async () => {
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

    dns.zones = { records: [...RIGHT, 'mine.test CAA 0 issue other-ca.test'] }
    const after = await check(t, server, NAME)
    assert.equal(after.code, 0, JSON.stringify(after.checks))
    assert.equal(after.checks.find(({ step }) => step === 'address')?.state, 'ok')
    assert.equal(after.checks.find(({ step }) => step === 'caa')?.state, 'not-checked', 'whose names are not known')
    dns.zones = { records: RIGHT.slice(0, 1) }
  })

  await t.test('each check is told when it is known, while another still waits for its answer', async t => {
    dns.zones = { records: RIGHT, faults: { [`${NAME} CAA`]: 'silent' } }
    const checking = program(t, SERVER, ['domain', 'check', NAME, '--data-dir', server.dataDir])
    await checking.until(() => /^ok +address +\S/m.test(checking.said) || undefined, 'the check of the address')
    assert.doesNotMatch(checking.said, /^\S+ +caa /m)
    dns.zones = { records: RIGHT }
    assert.equal((await checking.exited).code, 0, checking.stderr)
    assert.match(checking.said, new RegExp(`^\\S+ +caa [^]*\\n\\nnothing stands in the way of ${NAME}\\n$`, 'm'))
    dns.zones = { records: RIGHT.slice(0, 1) }
  })

  const panel = await openPanel(t, server)
  if (panel === undefined) return
  const { page, problems, origin } = panel
  page.setDefaultTimeout(SEEN_MS)

  await t.test('in the panel it is added, and its records are shown with what is missing', async () => {
    await page.goto(`${origin}/domains`)
    await page.getByText('None yet. Add one', { exact: false }).waitFor()
    await page.getByLabel('Domain', { exact: true }).fill(NAME)
    await page.getByRole('button', { name: `Add ${NAME}` }).click()
    await page.waitForURL(`${origin}/domains?name=${NAME}`)
    await page.getByRole('heading', { name: '0 of 1 records seen' }).waitFor()
    await page.getByText('Not seen yet.').waitFor()
    await page.getByRole('button', { name: 'Copy localhost', exact: true }).click()
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), 'localhost')
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'domain-waits-light-1440')
  })

  await t.test('what is created gets its tick without a reload', async () => {
    dns.zones = { records: RIGHT }
    await page.getByRole('heading', { name: '1 of 1 records seen' }).waitFor()
    await page.setViewportSize({ width: 390, height: 844 })
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'domain-seen-light-390')
    await page.setViewportSize({ width: 1440, height: 900 })
  })

  await t.test('the CA does not answer: the list says so, with the words and an act', async () => {
    await page.getByRole('link', { name: 'Domains' }).first().click()
    await page.waitForURL(`${origin}/domains`)
    const trouble = page.getByRole('region', { name: `Trouble with ${NAME}` })
    await trouble.getByRole('button', { name: 'Try now' }).waitFor()
    assert.deepEqual(await inaccessible(page), [])
    await picture(page, 'domains-trouble-light-1440')
  })

  await t.test('it is removed after a question', async () => {
    await page.getByRole('button', { name: `Acts on ${NAME}` }).click()
    await page.getByRole('menuitem', { name: 'Remove…' }).click()
    await page.getByRole('button', { name: `Remove ${NAME}` }).click()
    await page.getByText('None yet. Add one', { exact: false }).waitFor()
    // The browser fetches what links lead to, and says so when nobody follows them.
    assert.deepEqual(
      problems.list.filter(text => !/preloaded using link preload/.test(text)),
      [],
    )
  })
})
