// What the server looks up for itself goes to dns-resolver, or to the machine's own.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { lookupFor } from '../../src/certs/acme/preflight/lookup.ts'
import { worldFor } from '../../src/certs/acme/preflight/system-resolvers.ts'
import { resolveHost } from '../../src/process/resolve.ts'
import { TestDns } from './support/test-dns.ts'

const RECORDS = ['ca.test A 203.0.113.9', 'ca.test AAAA 2001:db8::9', 'only4.test A 203.0.113.4']

test('names are looked up at dns-resolver, for connections too', async t => {
  const dns = await TestDns.start(t, '127.0.0.1', 0, true, { records: RECORDS })
  const setting = `127.0.0.1:${dns.port}`
  assert.deepEqual((await resolveHost('ca.test', setting)).toSorted(), ['2001:db8::9', '203.0.113.9'])
  await assert.rejects(resolveHost('gone.test', setting), { code: 'ENOTFOUND' })

  assert.equal(lookupFor(''), undefined)
  const lookup = lookupFor(setting)
  assert.ok(lookup !== undefined)
  const look = promisify((host: string, options: object, call: (error: Error | null, found: unknown) => void) =>
    lookup(host, options, call as Parameters<typeof lookup>[2]),
  )
  assert.deepEqual(await look('ca.test', { all: true }), [
    { address: '203.0.113.9', family: 4 },
    { address: '2001:db8::9', family: 6 },
  ])
  assert.equal(await look('ca.test', { family: 6 }), '2001:db8::9')
  assert.deepEqual(await look('198.51.100.1', { all: true }), [{ address: '198.51.100.1', family: 4 }])
  await assert.rejects(look('only4.test', { family: 6 }), { code: 'ENOTFOUND' })
  await assert.rejects(look('gone.test', {}), /gone\.test was not found at 127\.0\.0\.1:\d+ \(dns-resolver\)/)
})

test('which resolvers are asked', t => {
  assert.deepEqual(worldFor('9.9.9.9'), { resolvers: [{ address: '9.9.9.9', port: 53 }], isResolverOnly: true })
  assert.deepEqual(worldFor('[::1]:5353').resolvers, [{ address: '::1', port: 5353 }])
  assert.deepEqual(worldFor('2620:fe::fe').resolvers, [{ address: '2620:fe::fe', port: 53 }])
  const folder = mkdtempSync(join(tmpdir(), 'pbt-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'resolv.conf')
  writeFileSync(
    file,
    'search x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver 9.9.9.9\n',
  )
  assert.deepEqual(
    worldFor('', file).resolvers.map(({ address }) => address),
    ['127.0.0.53', 'fe80::1%eth0', '9.9.9.9'],
  )
  assert.deepEqual(worldFor('', join(folder, 'none')).resolvers, [{ address: '127.0.0.1', port: 53 }])
})
