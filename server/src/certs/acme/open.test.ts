// What processes and sources make of the same database: a stand-in, the owner's own files, challenges that come while it is read.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import type { Log } from '../../observe/log.ts'
import { openStore } from '../../store/store.ts'
import { leafCertificate } from '../certificate.ts'
import { openCertificates } from '../open.ts'
import { Challenges } from './challenges.ts'
import { labelOf } from './names.ts'
import { openAcme } from './open.ts'
import { AcmeSource } from './source.ts'
import { DAY, DIRECTORY, MINUTE, type Place, place } from './testing/orders-place.ts'

const NAME = 'app.mine.test'
const log: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }

/** Another process on the same data directory. */
async function process(t: TestContext, it: Place, hasOwn: (name: string) => boolean) {
  const store = await openStore(it.dataDir)
  const source = new AcmeSource({ keys: it.keys, baseDomain: 'b.test', log, now: Date.now })
  const config = { baseDomain: 'b.test', publicAddress: [], dnsPort: 0 }
  const asked: string[] = []
  const acme = await openAcme({
    config: { ...config, acmeDirectory: DIRECTORY, acmeCa: '', acmeEmail: '', acmeProfile: '' },
    ...{ records: store.domains, keys: it.keys, source, hasOwn, clock: it.clock, log },
    issuer: {
      issue: async ({ names }) => {
        asked.push(...names)
        throw new Error('not to be asked')
      },
      renewalInfo: async () => undefined,
    },
    ariIdOf: () => '',
    looks: () => ({ async *check() {} }),
    hasOthers: () => true,
    changed: async () => {},
    read: () => {},
    news: {
      ...{ added: () => {}, verified: () => {}, issued: () => {}, renewed: () => {}, ordered: () => {} },
      failed: () => {},
    },
  })
  t.after(async () => {
    await acme.stop()
    source.close()
    await store.close()
  })
  return { acme, source, asked }
}

test('I1: a stand-in serves what the other process has renewed, and answers its challenges', async t => {
  const it = await place(t)
  await it.add(NAME)
  const orders = it.scheduler()
  orders.start()
  await it.quiet()
  const { acme, source } = await process(t, it, () => true)
  const before = source.contextFor(NAME)
  assert.ok(before)
  await it.pass(70 * DAY)
  assert.ok(it.told.includes(`renewed ${NAME}`))
  assert.equal(source.contextFor(NAME), before)
  const challenge = { kind: 'http', name: NAME, token: 'a-token', value: 'a-token.key', label: labelOf(NAME) } as const
  await it.store.domains.putChallenge(challenge)
  await acme.load()
  assert.notEqual(source.contextFor(NAME), before)
  assert.equal(acme.answerTo('a-token'), 'a-token.key')
})

test('what the owner has files for is not ordered, and the files come before a certificate of the CA', async t => {
  const it = await place(t)
  await it.add(NAME)
  it.scheduler().start()
  await it.quiet()
  await it.add('own.test')
  const own = await process(t, it, () => true)
  own.acme.start()
  await it.pass(MINUTE)
  assert.deepEqual(own.asked, [])

  const authority = { name: 'the owner', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const files = { tlsCert: [join(it.dataDir, 'own.pem')], tlsKey: [join(it.dataDir, 'own.key')] }
  const notAfter = new Date(Date.now() + 9 * DAY)
  writeFileSync(files.tlsCert[0] ?? '', leafCertificate(authority, NAME, pair.publicKey, notAfter))
  writeFileSync(files.tlsKey[0] ?? '', pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const config = { baseDomain: 'b.test', dataDir: it.dataDir, acmeDirectory: DIRECTORY, ...files }
  const { keyring, automatic, hasOwn } = openCertificates(config, log, () => {})
  t.after(() => keyring.close())
  automatic?.source.load(await it.store.domains.domains(), await it.store.domains.certificates())
  assert.ok(automatic?.source.contextFor(NAME))
  assert.notEqual(keyring.contextFor(NAME), automatic?.source.contextFor(NAME))
  assert.deepEqual([hasOwn(NAME), hasOwn('own.test')], [true, false])
})

test('a challenge that is put while the database is read is answered still; that of a wildcard stands beside it', async () => {
  const records = { putChallenge: async () => {}, removeChallenge: async () => {} }
  const options = { records, zone: 'acme.b.test', hasOthers: () => false, clock: new FakeClock() }
  const challenges = new Challenges(options)
  const label = labelOf('mine.test')
  challenges.load([], [label])
  assert.deepEqual(await challenges.txt(`${label}.acme.b.test`), [])
  await challenges.store.put('delegated', 'mine.test', 'one', 'first')
  await challenges.store.put('delegated', 'mine.test', 'two', 'second')
  await challenges.store.put('http', 'app.mine.test', 'three', 'third')
  challenges.load([], [label])
  assert.deepEqual(await challenges.txt(`${label}.acme.b.test`), ['first', 'second'])
  assert.equal(challenges.answerTo('three'), 'third')
  await challenges.store.remove('delegated', 'mine.test', 'one')
  await challenges.store.remove('http', 'app.mine.test', 'three')
  challenges.load([], [label])
  assert.deepEqual(await challenges.txt(`${label}.acme.b.test`), ['second'])
  assert.equal(challenges.answerTo('three'), undefined)
  assert.equal(await challenges.txt(`${labelOf('other.test')}.acme.b.test`), undefined)
})
