import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SERVER_FLAGS } from '../../launch/launch.js'

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

test('the unit starts Node with the flags that the programs count on', () => {
  const [, flags = ''] = /^ExecStart=\S+ (.*) \S+\/main\.ts start$/m.exec(unit) ?? []
  assert.deepEqual(flags.split(' '), SERVER_FLAGS)
})
