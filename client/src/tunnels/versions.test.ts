import assert from 'node:assert/strict'
import { test } from 'node:test'
import { versionNotice } from './versions.ts'

test('an older end is named with the command to run; mends and unknown programs are not', () => {
  const older = versionNotice('pbt/0.1.9', 'pbt-server/0.2.0')
  assert.match(older?.message ?? '', /^pbt 0\.1\.9 is older than the server \(0\.2\.0\)$/)
  assert.match(older?.cure ?? '', /sudo npm install --global \.\/pbt-client-0\.2\.0\.tgz; then "pbt daemon restart"/)
  const newer = versionNotice('pbt/1.0.0', 'pbt-server/0.9.3')
  assert.match(newer?.message ?? '', /^the server \(0\.9\.3\) is older than pbt 1\.0\.0$/)
  assert.match(newer?.cure ?? '', /sudo sh package\/deploy\/install\.sh pbt-server-1\.0\.0\.tgz/)
  for (const [own, server] of [
    ['pbt/0.1.0', 'pbt-server/0.1.7'],
    ['pbt/0.1.0', 'something else'],
    ['pbt/0.1.0', 'pbt-server/9999999.0.0'],
    ['pbt/0.1.0', '\u001b[31m/0.2.0'],
  ] as const) {
    assert.equal(versionNotice(own, server), undefined)
  }
})
