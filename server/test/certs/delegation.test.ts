// Wildcards by delegation: Pebble asks Debian's unbound, at its strictest, and that finds its way to our responder.
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { systemClock } from '@pbt/proto'
import { Responder } from '../../src/certs/acme/dns/responder.ts'
import { openIssuer } from '../../src/certs/acme/issuer/issuer.ts'
import type { ChallengeStore } from '../../src/certs/acme/types.ts'
import { openLog } from '../../src/observe/log.ts'
import { hasDnsWorld, startDnsWorld } from './support/dns-world.ts'
import { HOSTILE, hasPebble, startPebble } from './support/pebble.ts'

const BASE = 'tunnel.example.test'
const MINE = 'mine.test'

test('I1: the wildcards of the base and of a custom domain, each with its apex, through a strict resolver', async t => {
  if (!hasPebble(t) || !(await hasDnsWorld(t))) return
  const world = await startDnsWorld(t, BASE)
  const labels = new Map([
    [BASE, `one.acme.${BASE}`],
    [MINE, `two.acme.${BASE}`],
  ])
  for (const [name, label] of labels) world.records.set(`_acme-challenge.${name}`, { CNAME: [label] })
  const texts = new Map<string, Map<string, string>>([...labels.values()].map(label => [label, new Map()]))
  const textsOf = (name: string) => texts.get(labels.get(name) ?? '')
  const responder = await Responder.open({
    zone: { baseDomain: BASE, texts: { txt: async name => texts.get(name)?.values().toArray() }, serial: () => 1 },
    ...{ clock: systemClock, kept: [], isShared: false, port: 53, addresses: [world.address] },
  })
  t.after(() => responder.close())
  let most = 0
  const challenges: ChallengeStore = {
    put: async (_kind, name, token, value) => {
      textsOf(name)?.set(token, value)
      most = Math.max(most, textsOf(name)?.size ?? 0)
    },
    remove: async (_kind, name, token) => {
      textsOf(name)?.delete(token)
    },
  }
  const pebble = await startPebble(t, { dnsServer: world.resolver, env: { ...HOSTILE, PEBBLE_AUTHZREUSE: '0' } })
  const log = openLog({ level: 'error', stream: new PassThrough(), isForPeople: false })
  const issuer = openIssuer({ userAgent: 'pbt-server/0.0.0', log })
  const account = { key: newKey(), email: '' }
  for (const name of [BASE, MINE, BASE]) {
    const names = [`*.${name}`, name]
    const { directory, ca } = pebble
    const order = { directory, ca, account, names, key: newKey(), proof: 'delegated', challenges } as const
    const issued = await issuer.issue({ ...order, signal: new AbortController().signal })
    assert.ok(issued.isIssued, `${JSON.stringify(issued)} ${world.asked}`)
    assert.match(new X509Certificate(issued.chain).subjectAltName ?? '', new RegExp(`DNS:\\*\\.${name}`))
  }
  assert.equal(most, 2, 'wildcard and apex are proved by two texts at one name')
  assert.ok([...texts.values()].every(({ size }) => size === 0))
})

function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
