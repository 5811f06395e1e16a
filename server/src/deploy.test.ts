import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const unit = readFileSync(new URL('../../deploy/pbt-server.service', import.meta.url), 'utf8')

function valueOf(key: string): string | undefined {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1]
}

test('the unit keeps what the server counts on', () => {
  assert.equal(valueOf('Restart'), 'always')
  assert.equal(valueOf('StateDirectory'), 'pbt-server')
  assert.equal(valueOf('ConfigurationDirectory'), 'pbt-server')
  assert.equal(valueOf('CapabilityBoundingSet'), 'CAP_NET_BIND_SERVICE')
  assert.ok(Number(valueOf('LimitNOFILE')) >= 65_536)
  assert.ok(Number(valueOf('TimeoutStopSec')) > 30, 'longer than drain-seconds')
  assert.equal(valueOf('MemoryDenyWriteExecute'), undefined, 'V8 compiles while it runs')
})

test('no secret stands in the unit', () => {
  assert.doesNotMatch(unit, /pbt_|TOKEN/)
})
