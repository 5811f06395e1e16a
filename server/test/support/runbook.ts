// deploy/README.md, walked: every command of it, in its order, on a machine of its own with units, ports 80 and 443 and no network.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Machine } from './machine.ts'
import { ROOT, scratch } from './programs.ts'

const DIST = join(ROOT, 'dist')
const BLOCK = /<!-- (\w+): ([\w ;]+) -->\n```sh\n([\s\S]*?)```/g
/** npm asks nobody: everything but Node is in the tarball, and Node is put there beside it. */
const OFFLINE = { npm_config_offline: 'true', npm_config_cpu: 'none', npm_config_prefix: '/usr/local' }
const PIN = `for folder in /usr/local/lib/node_modules/@pbt-tunnel/*/node_modules; do
  mkdir -p $folder/.bin && ln -sf /opt/node/node $folder/.bin/node
done`
/** Steps of the doctor that cannot be right on a machine without a network, whose kernel is another's. */
const ELSEWHERE = /^(DNS of|clock|UDP buffers|memory|firewall|certificates)/

/** The blocks with commands, in order. */
function blocks(): readonly { how: string; where: string; text: string }[] {
  const runbook = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8')
  const found = [...runbook.matchAll(BLOCK)].map(([, how = '', where = '', text = '']) => ({ how, where, text }))
  assert.equal(found.length, runbook.split('```sh').length - 1, 'each block of commands says where it runs')
  return found
}

/** Walks it with the tarballs in dist/. */
export async function walkRunbook(t: TestContext): Promise<void> {
  const folder = scratch(t)
  const names = 'subjectAltName=DNS:tunnel.example.com,DNS:*.tunnel.example.com'
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', join(folder, 'privkey.pem')]
  const self = [
    'req',
    '-x509',
    '-nodes',
    ...key,
    '-out',
    join(folder, 'fullchain.pem'),
    '-days',
    '30',
    '-subj',
    '/CN=t',
    '-addext',
    names,
  ]
  execFileSync('openssl', self, { stdio: 'ignore' })

  const prepare = async () => {
    const machine = await Machine.start(t)
    for (const name of readdirSync(DIST)) machine.write(`/srv/${name}`, readFileSync(join(DIST, name)))
    for (const name of ['fullchain.pem', 'privkey.pem'])
      machine.write(`/etc/ssl/pbt/${name}`, readFileSync(join(folder, name)))
    const supervisor = readFileSync(join(ROOT, 'server/test/support/supervisor.mjs'), 'utf8')
    machine.write('/usr/local/sbin/systemctl', `#!/opt/node/node\n${supervisor}`, 0o755)
    machine.write('/usr/local/bin/sudo', '#!/bin/sh\nexec "$@"\n', 0o755)
    // Whatever Node is there is not the one that counts.
    machine.write('/usr/local/bin/node', '#!/bin/sh\nexec /opt/node/node "$@"\n', 0o755)
    machine.run(
      'rm -rf /var/lib/pbt-server /etc/pbt-server; mkdir -p /run/systemd/system; userdel pbt-server 2>/dev/null',
    )
    machine.run('echo "203.0.113.7 tunnel.example.com link.tunnel.example.com app.tunnel.example.com" >> /etc/hosts')
    const supervising = machine.start(t, 'exec systemctl supervisor')
    assert.ok(supervising.stdout)
    await once(supervising.stdout, 'data')
    return machine
  }
  const command = (machine: Machine, line: string, input = '') => {
    const { status, text } = machine.run(
      line.includes('install.sh') ? `cd /srv; printf '${input}' | ${line}` : `cd /srv; ${line}`,
      {
        ...OFFLINE,
        PBT_CA: '/etc/ssl/pbt/fullchain.pem',
      },
    )
    return { status, text }
  }
  const answer = (machine: Machine) => {
    const curl =
      'curl -sS --retry 30 --retry-delay 1 --retry-all-errors -f --cacert /etc/ssl/pbt/fullchain.pem https://app.tunnel.example.com/ 2>/dev/null'
    return machine.run(curl).text
  }

  const vps = await prepare()
  vps.write(
    '/srv/site.mjs',
    `import http from 'node:http'; http.createServer((_, r) => r.end('from home')).listen(3000, '127.0.0.1')`,
  )
  vps.start(t, 'exec /opt/node/node /srv/site.mjs')
  const all = blocks()
  const certificates = all.find(({ where }) => where === 'certificates')
  assert.ok(certificates)
  let token = ''
  const runBlock = (machine: Machine, text: string) => {
    const journal = () => machine.run('tail -5 /var/log/pbt-server.journal').text
    // A line that goes on in the next ones is one command.
    const lines = text.includes('<<') ? [text] : text.trim().split('\n')
    for (const line of lines) {
      const { status, text: said } = command(
        machine,
        line.replace('<token>', token),
        'tunnel.example.com\\nme@example.com\\n',
      )
      if (line.includes('.tgz')) machine.run(PIN)
      token = /pbt_[\w-]{43}/.exec(said)?.[0] ?? token
      if (/pbt-server doctor/.test(line)) {
        const bad = said.split('\n').flatMap(each => /^FAILED +(.*)$/.exec(each)?.[1] ?? [])
        assert.deepEqual(
          bad.filter(step => !ELSEWHERE.test(step)),
          [],
          said + journal(),
        )
      } else assert.equal(status, 0, `${line}\n${said}\n${journal()}`)
      if (/^sudo sh .*\.tgz$/.test(line)) runBlock(machine, certificates.text)
    }
  }
  const isMoved = (where: string) => where === 'moved'
  for (const { how, where, text } of all) {
    if (how === 'skip' || where === 'certificates' || where === 'last' || isMoved(where)) continue
    if (how === 'start') {
      vps.start(t, `cd /srv; export PBT_CA=/etc/ssl/pbt/fullchain.pem; exec ${text.trim()}`)
      assert.equal(answer(vps), 'from home')
    } else runBlock(vps, text)
  }
  // Through the upgrade and the restore the client came back by itself.
  assert.equal(answer(vps), 'from home')
  t.diagnostic('the first VPS is walked')

  // Another VPS is one where nothing is but what was installed: installing it once more would show nothing new.
  vps.run('systemctl disable --now pbt-server.socket pbt-server; rm -rf /var/lib/pbt-server/*')
  for (const { text } of all.filter(({ where }) => isMoved(where))) runBlock(vps, text)
  assert.equal(answer(vps), 'from home')
  for (const { text } of all.filter(({ where }) => where === 'last')) runBlock(vps, text)
  assert.equal(
    vps.run('ls -d /etc/pbt-server /etc/systemd/system/pbt-server* /usr/local/bin/pbt-server 2>/dev/null').text,
    '',
  )
}
