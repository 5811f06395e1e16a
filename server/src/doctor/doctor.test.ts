// Mistakes that people make on the way, each named with its cure.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeStore } from '../store/store.ts'
import { checkAutomatic } from './automatic.ts'
import { checkCertificates } from './certificates.ts'
import { checkData } from './data.ts'
import type { Finding } from './finding.ts'
import { checkFirewall } from './firewall.ts'
import { checkInstallation } from './installation.ts'
import { listeners } from './listeners.ts'
import { checkMachine } from './machine.ts'
import { checkNames } from './names.ts'
import { checkPorts } from './ports.ts'

const RANGE = { first: 20_000, last: 40_000 }
const PORTS = [{ setting: 'http-port', port: 80, protocol: 'tcp' }] as const
const OPENINGS = [
  { protocol: 'tcp', first: 443, last: 443 },
  { protocol: 'udp', ...RANGE },
] as const

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pbt-doctor-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A file system with these files. */
function rootWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = directory(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

/** The one finding of that step, as state, and whether message and cure have these words. */
function found(findings: readonly Finding[], step: string, message: RegExp, cure?: RegExp) {
  const one = findings.find(each => each.step === step)
  assert.ok(one, `no step "${step}" in ${JSON.stringify(findings)}`)
  assert.match(one.message, message)
  if (cure === undefined) assert.equal(one.cure, undefined)
  else assert.match(one.cure ?? '', cure)
  return one.state
}

test('doctor: DNS that is missing, wrong or half is named with the record to create', async () => {
  const names = { 'app.test': ['203.0.113.7'], other: ['203.0.113.9'] }
  const check = (base: string, publicAddress: readonly string[], table: Readonly<Record<string, readonly string[]>>) =>
    checkNames({
      ...{ baseDomain: base, publicAddress, interfaces: {} },
      resolve: async host => {
        const known = table[host] ?? table[host.replace(/^[^.]+/, '*')]
        if (known === undefined) throw Object.assign(new Error(host), { code: 'ENOTFOUND' })
        return known
      },
    })
  const [own] = names['app.test']
  assert.ok(own)
  const whole = await check('app.test', [own], { 'app.test': [own], '*.app.test': [own] })
  assert.deepEqual(
    whole.map(({ state }) => state),
    ['ok', 'ok'],
  )
  const none = await check('app.test', [own], {})
  assert.equal(found(none, 'DNS of app.test', /no record/, /^create app\.test\. A 203\.0\.113\.7$/), 'failed')
  const noWildcard = await check('app.test', [own], { 'app.test': [own] })
  assert.equal(found(noWildcard, 'DNS of *.app.test', /no record/, /\*\.app\.test\. A 203\.0\.113\.7/), 'failed')
  const wrong = await check('app.test', [own], { 'app.test': names.other, '*.app.test': names.other })
  assert.equal(
    found(wrong, 'DNS of app.test', /203\.0\.113\.9, and this machine is 203\.0\.113\.7/, /^change it/),
    'failed',
  )
  const both = [own, '2001:db8::7']
  const noAaaa = await check('app.test', both, { 'app.test': [own], '*.app.test': both })
  assert.equal(found(noAaaa, 'DNS of app.test', /not to 2001:db8::7/, /AAAA 2001:db8::7/), 'failed')
  const unknown = await check('app.test', [], { 'app.test': [own], '*.app.test': [own] })
  assert.equal(found(unknown, 'DNS of app.test', /no public address/, /public-address/), 'not-checked')
})

test('doctor: a port that another program has is named with that program', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  assert.equal(listeners([port])?.[0]?.process?.pid, process.pid)
  const options = { range: RANGE, isRunning: false, isService: false }
  const ports = [{ setting: 'http-port', port, protocol: 'tcp' }] as const
  const taken = checkPorts({ ...options, ports })
  assert.equal(
    found(taken, `port ${port}`, new RegExp(`process ${process.pid}\\) has it.*http-port`), /choose another http-port/),
    'failed',
  )
  assert.equal(
    found(checkPorts({ ...options, ports: PORTS, root: rootWith(t, {}) }), 'port 80', /does not tell/, /./),
    'not-checked',
  )
  const table = (line: string) => rootWith(t, { 'proc/net/tcp': `head\n${line}` })
  const line = '  0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1'
  const strange = checkPorts({ ...options, ports: PORTS, root: table(line) })
  assert.equal(found(strange, 'port 80', /another user/, /sudo/), 'not-checked')
  const nobody = checkPorts({ ...options, isRunning: true, ports: PORTS, root: table('') })
  assert.equal(found(nobody, 'port 80', /nobody listens/, /systemctl restart/), 'failed')
})

test('doctor: ports of tunnels that the system takes for itself', t => {
  const options = { ports: [], range: RANGE, isRunning: false, isService: true }
  const root = (reserved: string) =>
    rootWith(t, {
      'proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
      'proc/sys/net/ipv4/ip_local_reserved_ports': reserved,
    })
  const step = 'ports of tunnels'
  assert.equal(
    found(checkPorts({ ...options, root: root('\n') }), step, /32768-40000/, /ip_local_reserved_ports/),
    'failed',
  )
  assert.equal(found(checkPorts({ ...options, root: root('8080,20000-40000\n') }), step, /leaves alone/), 'ok')
})

test('doctor: a firewall that is closed is named with the rule to add', () => {
  const ufw = (rules: string) => (program: string) => (program === 'ufw' ? `Status: active\n\n${rules}` : undefined)
  const rules = '80,443/tcp                 ALLOW       Anywhere\n20000:40000/udp            ALLOW       Anywhere\n'
  assert.equal(found(checkFirewall(OPENINGS, ufw(rules)), 'firewall', /lets visitors through/), 'ok')
  const closed = checkFirewall(OPENINGS, ufw('22/tcp                     ALLOW       Anywhere\n'))
  assert.equal(
    found(closed, 'firewall', /443\/tcp, 20000-40000\/udp/, /ufw allow 443\/tcp; sudo ufw allow 20000:40000\/udp/),
    'failed',
  )
  const match = (protocol: string, right: unknown) => ({
    rule: { expr: [{ match: { op: '==', left: { payload: { protocol, field: 'dport' } }, right } }, { accept: null }] },
  })
  const nft =
    (...items: object[]) =>
    (program: string) =>
      program === 'nft'
        ? JSON.stringify({ nftables: [{ chain: { hook: 'input', policy: 'drop' } }, ...items] })
        : undefined
  assert.equal(
    found(checkFirewall(OPENINGS, nft()), 'firewall', /443\/tcp/, /nft insert rule.*tcp dport 443 accept/),
    'failed',
  )
  const open = nft(match('tcp', { set: [80, { range: [440, 450] }] }), match('udp', { range: [20_000, 40_000] }))
  assert.equal(found(checkFirewall(OPENINGS, open), 'firewall', /lets visitors through/), 'ok')
  assert.equal(
    found(
      checkFirewall(OPENINGS, () => undefined, false),
      'firewall',
      /only root/,
      /sudo/,
    ),
    'not-checked',
  )
  // What lies before the machine is never called open.
  assert.equal(
    found(checkFirewall(OPENINGS, open), 'firewall of the provider', /cannot be seen/, /443\/tcp/),
    'not-checked',
  )
})

test('doctor: a clock that is off, descriptors and buffers that are few', async t => {
  const root = rootWith(t, {
    'proc/7/limits': 'Max open files            1024                 1024                 files\n',
    'proc/sys/net/core/rmem_max': '212992\n',
  })
  const now = () => Date.parse('2026-11-28T12:00:00Z')
  const options = { clockUrl: 'https://ca.test/directory', pid: 7, isService: true, now, root }
  const late = await checkMachine({ ...options, ask: async () => 'Sat, 28 Nov 2026 15:00:00 GMT' })
  assert.equal(found(late, 'clock', /3 hours behind of ca\.test/, /set-ntp/), 'failed')
  assert.equal(found(late, 'descriptors', /only 1024/, /LimitNOFILE/), 'failed')
  assert.equal(found(late, 'UDP buffers', /0 MB/, /rmem_max=4194304/), 'failed')
  const right = await checkMachine({ ...options, ask: async () => 'Sat, 28 Nov 2026 12:00:01 GMT' })
  assert.equal(found(right, 'clock', /right, by ca\.test/), 'ok')
  const alone = await checkMachine({ ...options, ask: async () => Promise.reject(new Error('no network')) })
  assert.equal(found(alone, 'clock', /nobody could be asked/, /timedatectl/), 'not-checked')
})

test('doctor: data that is missing, root’s, open to others or broken', async t => {
  const home = directory(t)
  const dataDir = join(home, 'data')
  const options = { dataDir, isService: false, isRunning: false }
  assert.equal(found(await checkData(options), 'data directory', /is not there/, /pbt-server init/), 'failed')
  mkdirSync(dataDir, { mode: 0o700 })
  assert.equal(found(await checkData(options), 'database', /no server is set up/, /pbt-server init/), 'failed')
  await (await makeStore(dataDir)).close()
  const good = await checkData(options)
  assert.deepEqual(
    good.filter(({ state }) => state !== 'ok'),
    [],
  )
  if (process.getuid?.() === 0) {
    assert.equal(
      found(await checkData({ ...options, isService: true }), 'owner of the data', /is root's/, /chown -R pbt-server/),
      'failed',
    )
    writeFileSync(join(dataDir, 'foreign'), '', { mode: 0o600 })
    chownSync(join(dataDir, 'foreign'), 54_321, 54_321)
    assert.equal(found(await checkData(options), 'owner of the data', /foreign and 0 more/, /chown -R 0/), 'failed')
  }
  chmodSync(join(dataDir, 'pbt.db'), 0o644)
  assert.equal(found(await checkData(options), 'privacy of the data', /may read .*pbt\.db/, /chmod -R go=/), 'failed')
  chmodSync(dataDir, 0o755)
  assert.equal(found(await checkData(options), 'privacy of the data', /may look into/, /chmod -R go=/), 'failed')
  const bytes = readFileSync(join(dataDir, 'pbt.db'))
  writeFileSync(join(dataDir, 'pbt.db'), bytes.fill(7, 0, 200))
  assert.equal(found(await checkData(options), 'database', /damaged/, /backup/), 'failed')
})

test('doctor: a service that does not run, an upgrade that waits, units of another version', t => {
  const unit = (name: string) => readFileSync(join(import.meta.dirname, '../../../deploy', name), 'utf8')
  const folder = 'etc/systemd/system'
  const files = { [`${folder}/pbt-server.service`]: unit('pbt-server.service'), [`${folder}/pbt-server.socket`]: 'old' }
  const options = { version: '0.2.0', running: '0.2.0', isService: true, root: rootWith(t, files) }
  const all = checkInstallation(options)
  assert.equal(found(all, 'version', /0\.2\.0 runs/), 'ok')
  assert.equal(found(all, 'unit pbt-server.service', /as this version/), 'ok')
  assert.equal(found(all, 'unit pbt-server.socket', /not the one/, /sudo cp .*deploy\/pbt-server\.socket/), 'failed')
  const upgrade = checkInstallation({ ...options, running: '0.1.0' })
  assert.equal(found(upgrade, 'version', /0\.1\.0 runs, and 0\.2\.0 is installed/, /systemctl restart/), 'failed')
  assert.equal(
    found(checkInstallation({ ...options, running: undefined }), 'version', /does not run/, /journalctl/),
    'failed',
  )
  const empty = { ...options, root: rootWith(t, {}) }
  assert.equal(found(checkInstallation(empty), 'unit pbt-server.socket', /refuses visitors/, /sudo cp/), 'failed')
  assert.equal(
    found(checkInstallation({ ...empty, isService: false }), 'unit', /no systemd/, /container/),
    'not-checked',
  )
  const container = checkInstallation({ ...options, isService: false, root: rootWith(t, { '.dockerenv': '' }) })
  assert.equal(found(container, 'restart', /in a container/, /restart: unless-stopped/), 'not-checked')
  assert.equal(found(checkInstallation({ ...options, node: '20.20.2' }), 'Node', /too old/, /npm/), 'failed')
})

test('doctor: certificate files that cannot be used', t => {
  const folder = directory(t)
  const options = { baseDomain: 'app.test', now: Date.now() }
  assert.deepEqual(checkCertificates({ ...options, tlsCert: [], tlsKey: [] }), [])
  const missing = join(folder, 'missing.pem')
  const none = checkCertificates({ ...options, tlsCert: [missing], tlsKey: [missing] })
  assert.equal(found(none, `certificate ${missing}`, /ENOENT/, /chgrp pbt-server/), 'failed')
  assert.equal(found(none, 'names of the certificates', /none covers link\.app\.test/, /tls-cert/), 'failed')
})

test('doctor: certificates that do not come by themselves, with what stands in the way', () => {
  const options = { baseDomain: 'app.test', acmeDirectory: 'https://ca.test/directory', hasFiles: false }
  const certificate = { endsAt: new Date('2027-02-01T00:00:00Z'), issuer: 'CA' }
  const whole = { domain: '*.app.test', names: ['*.app.test'], certificate, problem: undefined, checks: [] }
  const step = 'certificate of *.app.test'
  const check = (domains: Parameters<typeof checkAutomatic>[0]['domains']) => checkAutomatic({ ...options, domains })
  assert.equal(found(check([whole]), step, /until 2027-02-01, by CA/), 'ok')
  assert.equal(found(check(undefined), step, /while the server runs/, /start the server/), 'not-checked')
  assert.equal(found(check([]), step, /responder.*is off/, /dns-port to 53/), 'failed')
  const record = {
    ...{ step: 'challenge', name: 'app.test', state: 'failed' as const, message: 'no CNAME' },
    cure: 'create _acme-challenge.app.test CNAME k.acme.app.test',
  }
  const missing = check([{ ...whole, certificate: undefined, checks: [record] }])
  assert.equal(found(missing, 'challenge of app.test', /no CNAME/, /^create _acme-challenge/), 'failed')
  assert.equal(missing.length, 1, 'what is missing is told once')
  const waiting = check([{ ...whole, certificate: undefined }])
  assert.equal(found(waiting, step, /the server is getting it/, /in a minute/), 'failed')
  const problem = { message: 'rate limited', cure: 'wait' }
  assert.equal(found(check([{ ...whole, problem }]), step, /could not be renewed: rate limited/, /^wait$/), 'failed')
  assert.deepEqual(checkAutomatic({ ...options, acmeDirectory: '', domains: [] }), [])
  assert.deepEqual(checkAutomatic({ ...options, hasFiles: true, domains: [] }), [])
})
