import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const unit = readFileSync(new URL('../../deploy/pbt-server.service', import.meta.url), 'utf8')

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
