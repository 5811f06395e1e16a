import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isServiceInstalled, serviceVariables } from './service.ts'

const OWN = process.getuid?.() ?? 0
const OTHER = 54_321

function machine(t: TestContext, folder: string, hasState = true): string {
  const root = mkdtempSync(join(tmpdir(), 'pbt-service-'))
  t.after(() => rmSync(root, { recursive: true }))
  if (folder !== '') {
    mkdirSync(join(root, folder), { recursive: true })
    writeFileSync(join(root, folder, 'pbt-server.service'), '')
  }
  if (hasState) mkdirSync(join(root, 'var/lib/pbt-server'), { recursive: true })
  return root
}

test('H49: root and the service’s user find what the service finds', t => {
  for (const folder of ['etc/systemd/system', 'usr/lib/systemd/system']) {
    const root = machine(t, folder)
    const expected = {
      STATE_DIRECTORY: join(root, 'var/lib/pbt-server'),
      CONFIGURATION_DIRECTORY: join(root, 'etc/pbt-server'),
    }
    assert.deepEqual(serviceVariables({ root, uid: 0 }), expected)
    assert.deepEqual(serviceVariables({ root, uid: OWN }), expected)
    assert.ok(isServiceInstalled({ root, uid: OTHER }))
  }
})

test('H49: for everybody else, and where there is no service, nothing changes', t => {
  const root = machine(t, 'etc/systemd/system')
  assert.deepEqual(serviceVariables({ root, uid: OTHER }), {})
  assert.deepEqual(serviceVariables({ root, uid: undefined }), {})
  const without = machine(t, '')
  assert.deepEqual(serviceVariables({ root: without, uid: 0 }), {})
  assert.ok(!isServiceInstalled({ root: without, uid: 0 }))
  // Before its first start: root may set it up, and nobody else is its user yet.
  const fresh = machine(t, 'etc/systemd/system', false)
  assert.notDeepEqual(serviceVariables({ root: fresh, uid: 0 }), {})
  assert.deepEqual(serviceVariables({ root: fresh, uid: OTHER }), {})
})
