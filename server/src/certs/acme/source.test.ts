// Certificates of the CA in the keyring: which one answers for a name, and that one that is broken harms no other.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { openLog } from '../../observe/log.ts'
import { authorityCertificate, leafCertificate } from '../certificate.ts'
import { acceptChain } from './accept.ts'
import type { KeptCertificate, KeptDomain } from './records.ts'
import { AcmeSource } from './source.ts'

const DAY = 86_400_000
const authority = { name: 'a test CA', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
const root = authorityCertificate(authority, new Date(Date.now() + 9 * DAY))

function made(name: string, days = 5) {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = leafCertificate(authority, name, pair.publicKey, new Date(Date.now() + days * DAY))
  return { chain: leaf + root, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

test('I3, I6: a key that is lost or broken harms only its own names, the one before stands in, what has ended serves on', () => {
  const keys = new Map<string, string>()
  let id = 0
  const kept = (name: string, key: string | undefined, days = 5): KeptCertificate => {
    const { chain, key: own } = made(name, days)
    id += 1
    keys.set(`${id}`, key ?? own)
    const notBefore = new Date(Date.now() - 2 * DAY)
    const times = { notBefore, notAfter: new Date(Date.now() + days * DAY), renewsAt: new Date() }
    return {
      id,
      names: [name],
      chain,
      keyFile: `${id}`,
      directory: 'd',
      ...times,
      window: undefined,
      askAt: new Date(),
    }
  }
  const log = openLog({ level: 'error', stream: new PassThrough(), isForPeople: false })
  const source = new AcmeSource({
    keys: { read: file => keys.get(file) ?? '' },
    ...{ baseDomain: 'b.test', log, now: Date.now },
  })
  const domain = (name: string): KeptDomain => ({
    ...{ name, names: [name], isBase: false, problem: undefined, failures: 0, looks: 0 },
    ...{ nextAt: undefined, isGivenUp: false, createdAt: new Date() },
    proof: 'http',
    state: 'issued',
  })
  const good = kept('good.test', undefined)
  const wild = kept('*.wild.test', undefined)
  const broken = kept('broken.test', 'no key')
  const ended = kept('ended.test', undefined, -1)
  const renewed = kept('ended.wild.test', undefined, -1)
  const before = kept('twice.test', undefined)
  const after = kept('twice.test', 'no key')
  const names = ['good.test', '*.wild.test', 'broken.test', 'ended.test', 'ended.wild.test', 'twice.test']
  source.load(names.map(domain), [after, before, renewed, ended, broken, wild, good])
  const has = (name: string) => source.contextFor(name) !== undefined
  assert.deepEqual(
    [has('good.test'), has('a.wild.test'), has('a.b.wild.test'), has('wild.test')],
    [true, true, false, false],
  )
  assert.deepEqual([has('broken.test'), has('twice.test')], [false, true])
  assert.equal(has('ended.test'), true, 'what has ended serves on where nothing else is there')
  assert.equal(source.contextFor('ended.wild.test'), source.contextFor('a.wild.test'), 'what is valid comes before')
  const late = source.ends.filter(({ lateAt }) => lateAt < Date.now()).map(({ name }) => name)
  assert.deepEqual(late.sort(), ['ended.test', 'ended.wild.test'])
  assert.equal(source.faults.length, 2)
  assert.equal(source.covers('good.test', 'good.test'), true)
  assert.equal(source.covers('good.test', 'a.wild.test'), false)
  source.load([domain('good.test')], [good])
  assert.equal(has('a.wild.test'), false, 'a domain that was removed is served no more')
})

test('I3: what the CA sends is judged before it is used', () => {
  const { chain, key } = made('app.test')
  acceptChain(chain, key, ['app.test'], Date.now())
  const other = made('other.test')
  const wrong: [string, string, string[], number, RegExp][] = [
    [chain, other.key, ['app.test'], 0, /another key/],
    [chain, key, ['app.test', 'www.app.test'], 0, /does not cover www.app.test/],
    [chain, key, ['app.test'], 10 * DAY, /ended on/],
    [chain, key, ['app.test'], -9 * DAY, /valid only from/],
    ['nonsense', key, ['app.test'], 0, /sent no certificate/],
    [
      chain.slice(0, chain.indexOf('-----END CERTIFICATE-----') + 26) + other.chain,
      key,
      ['app.test'],
      0,
      /chain is broken/,
    ],
  ]
  for (const [text, own, names, shift, words] of wrong) {
    assert.throws(() => acceptChain(text, own, names, Date.now() + shift), words)
  }
})
