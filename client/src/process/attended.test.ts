import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAttended } from './attended.ts'

const SHELL = { env: {}, pid: 500, parentPid: 400, hasTerminal: false }

test('a program that something restarts is told from a command that a person has run', () => {
  assert.ok(isAttended(SHELL))
  for (const env of [{ INVOCATION_ID: '9f' }, { SUPERVISOR_ENABLED: '1' }, { pm_id: '0' }, { PBT_UNATTENDED: '1' }])
    assert.ok(!isAttended({ ...SHELL, env }), JSON.stringify(env))
  assert.ok(!isAttended({ ...SHELL, pid: 1 }))
  assert.ok(!isAttended({ ...SHELL, parentPid: 1 }))
})

test('a terminal is a person’s, whatever it has inherited, and the owner’s word goes before all', () => {
  assert.ok(isAttended({ ...SHELL, env: { INVOCATION_ID: '9f' }, hasTerminal: true }))
  assert.ok(!isAttended({ ...SHELL, env: { PBT_UNATTENDED: '1' }, hasTerminal: true }))
  assert.ok(isAttended({ ...SHELL, env: { PBT_UNATTENDED: '0', INVOCATION_ID: '9f' }, pid: 1 }))
  assert.ok(isAttended({ ...SHELL, env: { INVOCATION_ID: '' } }))
})
