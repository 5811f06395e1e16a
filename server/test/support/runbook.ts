// deploy/README.md, walked: every command of it, in its order, on a machine of its own with units, ports 80 and 443, a firewall, and a CA
// and name servers beside it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ADDRESS, Machine } from './machine.ts'
import { mistakesAtInstall, mistakesForTheDoctor } from './mistakes.ts'
import { Outside, SERVICE_PORT } from './outside.ts'
import { type Cleaner, ROOT, scratch } from './programs.ts'
import { APT_PROXY, npmAuthority, npmEnvironment } from './registries.ts'
import { RECORD, RunbookPage } from './runbook-page.ts'

const DIST = join(ROOT, 'dist')
const TARBALL = 'pbt-server-0.1.0.tgz'
const BASE = 'tunnel.example.com'
const CUSTOM = 'app.mine.uk'
const DEADLINE_MS = 120_000
/** Where the machine is this one: npm asks nobody. Everything but Node is in the tarball, and Node is put there beside it. */
const OFFLINE = { npm_config_offline: 'true', npm_config_cpu: 'none', npm_config_prefix: '/usr/local' }
/** Whoever goes back is in a hurry, and a registry may be what is down. */
const NO_REGISTRY = { ...OFFLINE, npm_config_cache: '/nonexistent' }
const PIN = `for folder in /usr/local/lib/node_modules/@pbt-tunnel/* /usr/local/lib/pbt-server/stage/lib/node_modules/@pbt-tunnel/*; do
  [ ! -d $folder ] || { mkdir -p $folder/node_modules/.bin && ln -sf /opt/node/node $folder/node_modules/.bin/node; }
done`
/** Steps of the doctor that cannot be right in a network whose kernel is another's. */
const ELSEWHERE = /^(clock|UDP buffers|memory)/
/** As people have it who closed their machine before. */
const FIREWALL = `flush ruleset
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    icmp type echo-request accept
    tcp dport 22 accept
  }
}
`

export interface WalkOptions {
  /** The tarball that is installed first, and upgraded; one of the same program with another version by default. */
  readonly from?: string
  /** The root of a Debian as a provider hands it over, with nothing but its packages; npm, Node and the rest are fetched for real then. This one's by default. */
  readonly files?: string
  /** Requests a second during the upgrade. */
  readonly perSecond: number
  /** Hears how far it is. */
  readonly tell: (text: string) => void
}

/** Walks it with the tarballs in dist/. */
export async function walkRunbook(t: Cleaner, options: WalkOptions): Promise<void> {
  const began = performance.now()
  const outside = await Outside.start(t, BASE, ADDRESS)
  const machine = await Machine.start(t, outside, options.files)
  const walk = new Walk(t, machine, outside, options)
  await walk.prepare()
  await walk.firstVps()
  options.tell(`the first VPS is walked after ${seconds(began)}`)
  await walk.rest()
  options.tell(`everything after ${seconds(began)}`)
}

class Walk {
  private readonly t: Cleaner
  private readonly vps: Machine
  private readonly outside: Outside
  private readonly options: WalkOptions
  private readonly folder: string
  private readonly page = new RunbookPage()
  private supervising: Promise<unknown> = Promise.resolve()
  private token = ''
  /** How npm gets what it installs. */
  private readonly packages: NodeJS.ProcessEnv = {}
  private asked = 0
  private readonly began = performance.now()

  constructor(t: Cleaner, vps: Machine, outside: Outside, options: WalkOptions) {
    this.t = t
    this.vps = vps
    this.outside = outside
    this.options = options
    this.folder = scratch(t)
  }

  /** A machine as it is handed over, but for what stands for systemd, and for Node, which npm cannot fetch here. */
  async prepare(): Promise<void> {
    const { vps, outside, options } = this
    for (const name of readdirSync(DIST)) vps.write(`/srv/${name}`, readFileSync(join(DIST, name)))
    const supervisor = readFileSync(join(ROOT, 'server/test/support/supervisor.mjs'), 'utf8')
    vps.write('/opt/supervisor/systemctl.mjs', supervisor)
    // A library of Node's own that this machine has, and not every other; nobody else is to find it.
    const library = (process.report.getReport() as { sharedObjects: string[] }).sharedObjects.find(file =>
      file.includes('libatomic'),
    )
    if (library !== undefined) vps.write('/opt/supervisor/libatomic.so.1', readFileSync(library))
    const systemctl = 'LD_LIBRARY_PATH=/opt/supervisor exec /opt/node/node /opt/supervisor/systemctl.mjs "$@"'
    vps.write('/usr/local/sbin/systemctl', `#!/bin/sh\n${systemctl}\n`, 0o755)
    vps.write('/usr/local/bin/sudo', '#!/bin/sh\nexec "$@"\n', 0o755)
    if (options.files === undefined) this.prepareNpm()
    else this.prepareRegistries()
    vps.run('rm -rf /var/lib/pbt-server /etc/pbt-server /usr/local/lib/pbt-server; userdel pbt-server 2>/dev/null')
    vps.write('/etc/nftables.conf', FIREWALL)
    this.makeOwnCertificate()
    const own = readFileSync(join(this.folder, 'fullchain.pem'), 'utf8')
    vps.write('/srv/roots.pem', `${outside.facts.rootPem}\n${own}`)
    vps.write('/srv/ca.pem', outside.facts.caPem)
    await this.boot()
    vps.run(`cd /srv; tar -xzf ${TARBALL} package/deploy/install.sh`)
    mistakesAtInstall(vps)
    vps.write(`/srv/${TARBALL}`, readFileSync(options.from ?? this.otherVersion()))
    for (const [, name = '', type = '', value = ''] of this.page.recordsOf('## 1. DNS')) {
      await outside.setRecords(name, { [type]: [value] })
    }
  }

  /** Installed, served, looked after, upgraded and put back, as the page has it. */
  async firstVps(): Promise<void> {
    for (const { how, where, note, text } of this.page.blocks) {
      if (
        how === 'skip' ||
        (how === 'packages' && this.options.files === undefined) ||
        (where !== 'vps' && where !== 'home')
      )
        continue
      if (how === 'start') await this.firstTunnels(text.trim())
      else if (note === 'upgrade') await this.upgrade(text)
      else await this.block(text, where)
    }
    // Through upgrades and the restore the clients came back by themselves.
    await this.answers(`app.${BASE}`)
    await this.answers(CUSTOM)
  }

  /** Another VPS is one where nothing is but what was installed: installing it once more would show nothing new. */
  async rest(): Promise<void> {
    const { vps, outside } = this
    vps.run('systemctl disable --now pbt-server.socket pbt-server; rm -rf /var/lib/pbt-server/*')
    // Its owner has certificates already.
    vps.run(`sed -i '/^acme-/d' /etc/pbt-server/server.yaml`)
    for (const name of ['fullchain.pem', 'privkey.pem'])
      vps.write(`/etc/ssl/pbt/${name}`, readFileSync(join(this.folder, name)))
    await this.named('certificates')
    await this.named('moved')
    const own = readFileSync(join(this.folder, 'fullchain.pem'), 'utf8')
    await this.answers(`app.${BASE}`, own)
    await this.answers(CUSTOM, own)
    await this.otherFirewall()
    mistakesForTheDoctor(vps, outside.facts.directory)
    await this.named('last')
    const left =
      'ls -d /etc/pbt-server /etc/systemd/system/pbt-server* /usr/local/bin/pbt-server /usr/local/lib/pbt-server 2>/dev/null'
    assert.equal(vps.run(left).text, '')
    assert.doesNotMatch(vps.run('ufw status').text, /20000/)
  }

  private async firstTunnels(line: string): Promise<void> {
    const { vps, outside, t } = this
    const env = { PBT_CA: '/srv/roots.pem' }
    vps.start(t, `cd /srv; exec ${line}`, env, 'home')
    await this.answers(`app.${BASE}`)
    const recipe = new RegExp(`\`(pbt http ${SERVICE_PORT} --domain ${CUSTOM})\`, and a record \`([^\`]+)\``).exec(
      this.page.text,
    )
    const [, name = '', type = '', value = ''] = RECORD.exec(recipe?.[2] ?? '') ?? []
    await outside.setRecords(name, { [type]: [value] })
    vps.start(t, `cd /srv; exec ${recipe?.[1]}`, env, 'home')
    await this.answers(CUSTOM)

    vps.run('systemctl reboot')
    await this.supervising
    vps.run('nft flush ruleset')
    await this.boot()
    await this.answers(`app.${BASE}`)
    await this.answers(CUSTOM)
    this.options.tell('it is back after a reboot')
  }

  /** Under load; what was asked meanwhile has to end whole. */
  private async upgrade(text: string): Promise<void> {
    const { vps, outside, options } = this
    vps.write(`/srv/${TARBALL}`, readFileSync(join(DIST, TARBALL)))
    const before = vps.run('pbt-server --version').text
    await outside.load(`app.${BASE}`, ADDRESS, options.perSecond)
    for (const line of text.trim().split('\n')) {
      if (/pbt-server doctor/.test(line)) continue
      let downloading: Promise<void> | undefined
      const { status, text } = await vps.follow(`cd /srv; ${line}`, this.packages, said => {
        if (said === 'install: units') downloading = outside.download()
      })
      assert.equal(status, 0, `${text}\n${this.journal()}`)
      await downloading
    }
    await this.answers(`app.${BASE}`)
    const { requests, downloads, failed } = await outside.unload()
    options.tell(`upgrade of ${before.trim()}: ${requests} requests, ${downloads} downloads, ${failed.length} failed`)
    const seen = failed.map(
      ({ kind, began, ended, detail }) => `${kind} ${Math.round(began)}-${Math.round(ended)} ${detail}`,
    )
    assert.deepEqual(seen.slice(0, 20), [], this.journal())
    assert.ok(requests > options.perSecond && downloads === 5)
    await this.healthy()
  }

  /** The walk has nftables; whoever has ufw is served as well, by the script run again. */
  private async otherFirewall(): Promise<void> {
    const { vps } = this
    vps.run('nft flush ruleset; rm -f /etc/nftables.d/pbt-server.nft')
    const enabled = vps.run('ufw --force reset > /dev/null 2>&1; ufw --force enable')
    assert.match(enabled.text, /active/, enabled.text)
    const again = vps.run(
      `cd /srv; sh package/deploy/install.sh /usr/local/lib/pbt-server/installed.tgz`,
      this.packages,
    )
    assert.match(again.text, /is there, and stays as it is[\s\S]*ufw allow 80,443\/tcp/, again.text)
    assert.equal(again.status, 0, again.text)
    await this.answers(`app.${BASE}`, readFileSync(join(this.folder, 'fullchain.pem'), 'utf8'))
  }

  private async named(where: string): Promise<void> {
    for (const block of this.page.blocks.filter(each => each.where === where)) await this.block(block.text, 'vps')
  }

  /** Every command of it. A line that goes on in the next ones is one command. */
  private async block(text: string, where: string): Promise<void> {
    for (const line of text.includes('<<') ? [text] : text.trim().split('\n')) {
      this.options.tell(`${seconds(this.began)}: ${line.split('\n')[0]}`)
      if (/pbt-server doctor/.test(line)) await this.healthy()
      else this.command(line.replace('<token>', this.token), where === 'home' ? 'home' : 'here')
    }
  }

  private command(line: string, where: 'here' | 'home'): void {
    const { vps } = this
    const answers = /install\.sh/.test(line) ? `printf '${BASE}\\nme@example.com\\n' | ` : ''
    const env = { ...(/--back/.test(line) ? NO_REGISTRY : this.packages), PBT_CA: '/srv/roots.pem' }
    const { status, text } = vps.run(`cd /srv; ${answers}${line}`, env, where)
    assert.equal(status, 0, `${line}\n${text}\n${this.journal()}`)
    this.token = /pbt_[\w-]{43}/.exec(text)?.[0] ?? this.token
    // The one thing that is not as on the page: the CA is another.
    if (
      /sh .*install\.sh pbt/.test(line) &&
      vps.run('grep -c ^acme-ca /etc/pbt-server/server.yaml').text.trim() === '0'
    )
      vps.run(
        `printf 'acme-directory: ${this.outside.facts.directory}\\nacme-ca: /srv/ca.pem\\n' >> /etc/pbt-server/server.yaml`,
      )
  }

  /** Until the doctor finds nothing; the records that it asks for are made, as its reader does. */
  private async healthy(): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS
    for (;;) {
      const { text } = this.vps.run('pbt-server doctor')
      const bad = [...text.matchAll(/^FAILED +(.*)$/gm)].filter(([, step = '']) => !ELSEWHERE.test(step))
      if (bad.length === 0) return
      if (/a newer pbt-server wrote the database/.test(text)) this.restoreEarlier()
      for (const [, name = '', value = ''] of text.matchAll(/create (\S+?)\.? CNAME ([\w.-]+?)\.?$/gm))
        await this.outside.setRecords(name, { CNAME: [value] })
      assert.ok(performance.now() < deadline, `${text}\n${this.journal()}`)
      await pause(1_500)
    }
  }

  /** An earlier version refuses what a newer one has changed: then its backup is needed as well, says the page. */
  private restoreEarlier(): void {
    const units = 'pbt-server.socket pbt-server'
    const restore = 'pbt-server restore "$(ls /var/backups/pbt-before-* | tail -1)" --replace'
    const { status, text } = this.vps.run(`systemctl stop ${units} && ${restore} && systemctl start ${units}`)
    assert.equal(status, 0, text)
    this.options.tell('the backup from before the upgrade is restored for the earlier version')
  }

  /** A visitor from outside, who trusts the CA alone, gets what the service at home says. */
  private async answers(host: string, ca?: string): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS
    const number = 1_000_000 + ++this.asked
    for (;;) {
      const text = await this.outside.get(`https://${host}/get/${number}`, ca)
      if (text === `${number} here`) return
      assert.ok(performance.now() < deadline, `${host}: ${text}\n${this.journal()}`)
      await pause(200)
    }
  }

  private async boot(): Promise<void> {
    this.vps.run('rm -rf /run/*; mkdir -p /run/systemd/system')
    const supervising = this.vps.start(this.t, 'exec systemctl supervisor')
    this.supervising = once(supervising, 'exit')
    supervising.stderr?.pipe(process.stderr)
    assert.ok(supervising.stdout)
    await once(supervising.stdout, 'data')
  }

  /** What is installed besides is what people have who closed their machine, and what the mistakes need. */
  private prepareRegistries(): void {
    const { vps } = this
    const authority = npmAuthority()
    if (authority !== undefined) vps.write('/srv/registry.pem', readFileSync(authority))
    Object.assign(this.packages, npmEnvironment(authority === undefined ? undefined : '/srv/registry.pem'))
    vps.write('/etc/apt/apt.conf.d/95proxy', APT_PROXY)
    const tools = 'nftables ufw faketime netcat-openbsd'
    const line = `apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ${tools}`
    const { status, text } = vps.run(line)
    assert.equal(status, 0, text)
    assert.notEqual(vps.run('command -v node || command -v npm').status, 0, 'the root is not one with nothing on it')
  }

  private prepareNpm(): void {
    Object.assign(this.packages, OFFLINE)
    const { vps } = this
    const npm = vps.run('command -v npm').text.trim()
    vps.write('/usr/local/sbin/npm', `#!/bin/sh\n${npm} "$@" || exit\n${PIN}\n`, 0o755)
    // Whatever Node is there is not the one that counts.
    vps.write('/usr/local/bin/node', '#!/bin/sh\nexec /opt/node/node "$@"\n', 0o755)
  }

  /** The tarball of dist/ as one of version 0.0.9. */
  private otherVersion(): string {
    const folder = join(this.folder, 'other')
    mkdirSync(folder)
    const script = `tar -xzf "$1" && sed -i 's/"version": "0.1.0"/"version": "0.0.9"/' package/package.json package/server/package.json && tar -c package | gzip -1 > other.tgz`
    execFileSync('sh', ['-c', script, 'sh', join(DIST, TARBALL)], { cwd: folder })
    return join(folder, 'other.tgz')
  }

  private makeOwnCertificate(): void {
    const names = `subjectAltName=DNS:${BASE},DNS:*.${BASE},DNS:${CUSTOM}`
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'privkey.pem']
    const args = ['req', '-x509', ...key, '-out', 'fullchain.pem', '-days', '30', '-subj', '/CN=t', '-addext', names]
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'ignore' })
  }

  private journal(): string {
    return this.vps.run('tail -8 /var/log/pbt-server.journal').text
  }
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1_000).toFixed(1)} s`
}
