import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SETTING_NAMES, variableOf } from './config/config.ts'
import { readConfig } from './config/read.ts'

const UNIT = fileURLToPath(new URL('../../deploy/pbt-server.service', import.meta.url))
const unit = readFileSync(UNIT, 'utf8')

/** Of 10, where less is better; what the system itself calls "OK" begins at 2. */
const MOST_EXPOSURE = 2

function settingOf(key: string): string | undefined {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1]
}

test('the unit keeps what the server counts on', () => {
  assert.equal(settingOf('Restart'), 'always')
  assert.equal(settingOf('StateDirectory'), 'pbt-server')
  assert.equal(settingOf('ConfigurationDirectory'), 'pbt-server')
  assert.equal(settingOf('CapabilityBoundingSet'), 'CAP_NET_BIND_SERVICE')
  assert.ok(Number(settingOf('LimitNOFILE')) >= 65_536)
  assert.equal(settingOf('LimitCORE'), '0')
  assert.ok(Number(settingOf('TimeoutStopSec')) > 30, 'longer than drain-seconds')
  assert.equal(settingOf('MemoryDenyWriteExecute'), undefined, 'V8 compiles while it runs')
})

test('no secret stands in the unit', () => {
  assert.doesNotMatch(unit, /pbt_|TOKEN/)
})

test('H19: the unit takes away whatever the server does without', () => {
  const expected: Readonly<Record<string, string>> = {
    User: 'pbt-server',
    UMask: '0077',
    AmbientCapabilities: 'CAP_NET_BIND_SERVICE',
    CapabilityBoundingSet: 'CAP_NET_BIND_SERVICE',
    NoNewPrivileges: 'yes',
    LockPersonality: 'yes',
    PrivateDevices: 'yes',
    PrivateTmp: 'yes',
    ProtectClock: 'yes',
    ProtectControlGroups: 'yes',
    ProtectHome: 'yes',
    ProtectHostname: 'yes',
    ProtectKernelLogs: 'yes',
    ProtectKernelModules: 'yes',
    ProtectKernelTunables: 'yes',
    ProtectProc: 'invisible',
    ProtectSystem: 'strict',
    RemoveIPC: 'yes',
    RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX',
    RestrictNamespaces: 'yes',
    RestrictRealtime: 'yes',
    RestrictSUIDSGID: 'yes',
    StateDirectoryMode: '0700',
    SystemCallArchitectures: 'native',
  }
  for (const [key, value] of Object.entries(expected)) assert.equal(settingOf(key), value, key)
  assert.deepEqual(
    [...unit.matchAll(/^SystemCallFilter=(.*)$/gm)].map(([, calls]) => calls),
    ['@system-service', '~@privileged @resources'],
  )
  assert.doesNotMatch(unit, /^MemoryDenyWriteExecute/m)
})

test('H19: systemd itself thinks little of it exposed', t => {
  const { stdout, error, status } = spawnSync('systemd-analyze', ['security', '--offline=true', UNIT], {
    encoding: 'utf8',
  })
  if (error !== undefined || !/exposure level/.test(stdout)) {
    t.skip(`systemd-analyze is not there or cannot do it (${error?.message ?? status})`)
    return
  }
  const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
  t.diagnostic(`exposure ${exposure}`)
  assert.ok(exposure <= MOST_EXPOSURE, stdout)
})

test('H50: with settings that are not right the server is not started again, and its ports close', () => {
  assert.equal(settingOf('RestartPreventExitStatus'), '2')
  const stop = settingOf('ExecStopPost') ?? ''
  const shell = /^\+\/bin\/sh -c '(.*)'$/.exec(stop)?.[1]?.replaceAll('$$', '$') ?? 'exit 9'
  const closes = '--no-block stop pbt-server.socket\n'
  // As systemd runs it, with a systemctl that only says what it was told.
  const folder = mkdtempSync(join(tmpdir(), 'pbt-unit-'))
  writeFileSync(join(folder, 'systemctl'), '#!/bin/sh\n[ "$2" = is-active ] && exit $STAND_IN\necho "$@"\n', {
    mode: 0o755,
  })
  for (const [status, unit, isStandInThere, said] of [
    ['2', 'pbt-server', false, closes],
    // The ports are those of another that serves.
    ['2', 'pbt-server', true, ''],
    ['2', 'pbt-stand-in', true, ''],
    ['0', 'pbt-server', false, ''],
    ['1', 'pbt-server', false, ''],
    ['KILL', 'pbt-server', false, ''],
  ] as const) {
    const env = { PATH: `${folder}:${process.env.PATH}`, EXIT_STATUS: status, STAND_IN: isStandInThere ? '0' : '3' }
    const ran = spawnSync('/bin/sh', ['-c', shell.replaceAll('%p', unit)], { env, encoding: 'utf8' })
    assert.deepEqual([ran.stdout, ran.status], [said, 0], `${status} of ${unit}`)
  }
  rmSync(folder, { recursive: true })
})

test('H50: all that the journal gets is JSON', () => {
  assert.match(settingOf('ExecStart') ?? '', / start --json$/)
})

test('H50: systemd takes the units', t => {
  const folder = mkdtempSync(join(tmpdir(), 'pbt-unit-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const name of ['pbt-server.service', 'pbt-server.socket']) {
    const text = readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8')
    writeFileSync(join(folder, name), text.replaceAll('/usr/local/bin/pbt-server', process.execPath))
  }
  const files = ['pbt-server.service', 'pbt-server.socket'].map(name => join(folder, name))
  const { stderr, error, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' })
  if (error !== undefined || /Failed to (setup|initialize|create) manager/i.test(stderr)) {
    t.skip(`systemd-analyze is not there or cannot do it (${error?.message ?? status})`)
    return
  }
  assert.deepEqual([status, stderr.split('\n').filter(line => line.includes('pbt-server'))], [0, []])
})

test('H50: the runbook names files in full, also after a change of directory', () => {
  const runbook = readFileSync(new URL('../../deploy/README.md', import.meta.url), 'utf8')
  const commands = [...runbook.matchAll(/^(?:sudo|cd) .*$/gm)].map(([line]) => line)
  assert.ok(commands.length > 10)
  for (const command of commands) {
    assert.doesNotMatch(command, /\bcd /, command)
    if (!command.includes('systemctl'))
      assert.doesNotMatch(command, /(^| )(deploy\/|[\w-]+\.(pem|service|socket|yaml))( |$)/, command)
  }
})

test('the unit starts the program that "npm install -g" puts there, which brings Node and its flags', () => {
  assert.equal(settingOf('ExecStart'), '/usr/local/bin/pbt-server start --json')
  assert.match(readFileSync(new URL('../bin/pbt-server', import.meta.url), 'utf8'), /^#!\/bin\/sh\n.*\nexec /m)
})

test('the install script is one that a shell and its checker take, and only says what it would do', t => {
  const script = new URL('../../deploy/install.sh', import.meta.url)
  assert.ok(readFileSync(script, 'utf8').split('\n').length < 220, 'it is to be read in one sitting')
  assert.equal(spawnSync('sh', ['-n', fileURLToPath(script)]).status, 0)
  const checked = spawnSync('shellcheck', [fileURLToPath(script)], { encoding: 'utf8' })
  if (checked.error === undefined) assert.equal(checked.stdout, '')
  else t.diagnostic('shellcheck is not there')
})

test('what the compose files set are settings of the programs', () => {
  const known = new Set(SETTING_NAMES.map(variableOf))
  const client = ['PBT_SERVER', 'PBT_TOKEN_FILE', 'PBT_HOME', 'PBT_UNATTENDED']
  for (const name of ['server.compose.yaml', 'server.Dockerfile', 'client.compose.yaml', 'client.Dockerfile']) {
    const text = readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8')
    const variables = [...text.matchAll(/\bPBT_[A-Z_]*[A-Z]/g)].map(([variable]) => variable)
    assert.ok(variables.length > 0, name)
    for (const variable of variables) {
      assert.ok(name.startsWith('server') ? known.has(variable) : client.includes(variable), `${variable} in ${name}`)
    }
    if (name.endsWith('.yaml'))
      for (const rule of ['read_only: true', 'cap_drop: [ ALL ]']) assert.ok(text.includes(rule), name)
    else
      for (const line of [/^USER 10001:10001$/m, /^VOLUME \/data$/m, /^HEALTHCHECK /m, /^ENTRYPOINT \["tini"/m])
        assert.match(text, line)
  }
})

/** What the install script would write as settings on a machine with these addresses. */
function settingsWritten(addresses: readonly string[], leaving: string, records: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'pbt-install-'))
  const lines = addresses.map((address, index) => `${index + 2}: eth0    inet ${address}/24 scope global eth0`)
  const tools = {
    ip: `case "$*" in *route*) echo "192.0.2.1 via 10.0.0.1 dev eth0 src ${leaving} uid 0";; *) printf '%s\\n' ${lines.map(each => `'${each}'`).join(' ')};; esac`,
    getent:
      records.length === 0
        ? 'exit 2'
        : `printf '%s\\n' ${records.map(each => `'${each}  STREAM tunnel.mine.uk'`).join(' ')}`,
  }
  for (const [name, body] of Object.entries(tools))
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  const script = readFileSync(new URL('../../deploy/install.sh', import.meta.url), 'utf8')
  const [functions = ''] = script.split('\nread_arguments "$@"')
  const shell = `${functions}\nDRY_RUN=yes BASE_DOMAIN=tunnel.mine.uk SETTINGS=${folder}/none\nwrite_settings`
  const env = { PATH: `${folder}:${process.env.PATH}` }
  const { stdout, stderr, status } = spawnSync('/bin/sh', ['-c', shell], { env, encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  assert.equal(status, 0, stderr)
  return stdout + stderr
}

test('I5: the install script turns the DNS responder on, behind NAT on the address that the router forwards to', () => {
  const own = settingsWritten(['203.0.113.7', '10.0.0.5'], '203.0.113.7', ['203.0.113.7'])
  assert.match(own, /public-address: \["203\.0\.113\.7"\]\n *dns-port: 53\n/)
  assert.doesNotMatch(own, /dns-address|NAT/)

  const behind = settingsWritten(['10.0.0.5', '172.17.0.1'], '10.0.0.5', ['203.0.113.7', '203.0.113.7'])
  assert.match(behind, /public-address: \["203\.0\.113\.7"\]\n *dns-address: \["10\.0\.0\.5"\]\n *dns-port: 53\n/)
  assert.match(behind, /behind NAT.*must forward TCP 80, 443 and 53, UDP 53, and 20000-40000 of both to 10\.0\.0\.5/)

  const unknown = settingsWritten(['10.0.0.5'], '10.0.0.5', [])
  assert.doesNotMatch(unknown, /^ *(dns-port|public-address|dns-address):/m)
  assert.match(
    unknown,
    /leads nowhere yet: no wildcard certificate until .* has public-address, dns-address and dns-port/,
  )
})

test('I5: a container answers DNS on its own address, and the compose file publishes that for UDP and TCP', () => {
  const compose = readFileSync(new URL('../../deploy/server.compose.yaml', import.meta.url), 'utf8')
  const environment = Object.fromEntries(
    [...compose.matchAll(/^ +(PBT_SERVER_[A-Z_]+): (.*)$/gm)].map(([, name, value]) => [name, value]),
  )
  const ports = [...compose.matchAll(/^ +- "([^"]+)"$/gm)].map(([, port]) => port)
  const config = readConfig({ environment, flags: {}, home: '/' })
  assert.deepEqual([config.dnsPort, config.dnsAddress], [5353, ['0.0.0.0']])
  const { first, last } = config.portRange
  for (const protocol of ['udp', 'tcp']) {
    assert.ok(ports.includes(`${config.publicAddress}:53:${config.dnsPort}/${protocol}`), `DNS over ${protocol}`)
    assert.ok(ports.includes(`${first}-${last}:${first}-${last}/${protocol}`), `tunnels over ${protocol}`)
  }
})
