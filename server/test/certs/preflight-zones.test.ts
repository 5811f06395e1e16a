// The preflight: what each finding about the delegation and about CAA says, and what the owner is told to do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AskOutside } from '../../src/certs/acme/types.ts'
import {
  authority,
  BASE,
  delegated,
  is,
  LABEL,
  NAME,
  RIGHT,
  reachable,
  refused,
  step,
  timedOut,
  V4,
  without,
  world,
  ZONE,
} from './support/preflight-look.ts'

describe('delegation', () => {
  test('I5: row 1: the NS record is missing at the zone above', async () => {
    world({ records: without(`${ZONE} NS`) })
    authority.zones = { ...authority.zones, cuts: [] }
    is(await step('delegation', delegated), {
      state: 'waiting',
      says: /^nobody is sent here for acme\.tunnel\.example: the NS record is missing at 127\.0\.0\.2/,
      cure: /^create acme\.tunnel\.example NS tunnel\.example/,
      record: `${ZONE} NS ${BASE}`,
    })
  })

  test('I5: row 1: a wildcard address hides that it is missing', async () => {
    world({ records: [...without(`${ZONE} NS`), `*.${BASE} A ${V4}`] })
    authority.zones = { ...authority.zones, cuts: [] }
    is(await step('delegation', delegated), {
      state: 'waiting',
      says: /NS record is missing.*the address of \*\.tunnel\.example answers in its place/,
      cure: /^create acme\.tunnel\.example NS tunnel\.example/,
      record: `${ZONE} NS ${BASE}`,
    })
  })

  test('I5: row 2: a resolver that is sent here gets no answer', async () => {
    world({ resolverFaults: { [`${ZONE} NS`]: 'SERVFAIL' } })
    is(await step('delegation', { ...delegated, isResolverOnly: true }), {
      state: 'not-checked',
      says: /^127\.0\.0\.1:\d+ cannot reach tunnel\.example port 53/,
      cure: /open 53\/udp and 53\/tcp, also in the provider's firewall/,
    })
  })

  test('I5: row 2: port 53 as seen from outside: UDP timed out, TCP refused', async () => {
    const outside: AskOutside = async ({ protocol }) => (protocol === 'udp' ? timedOut : refused)
    is(await step('port-53', { ...delegated, outside }), {
      state: 'failed',
      says: /UDP laptop: timed out, TCP laptop: refused/,
      cure: /open 53\/udp and 53\/tcp/,
    })
  })

  test('I5: row 3: the name server has no address', async () => {
    world({ records: [...without(`${ZONE} NS`), `${ZONE} NS gone.${BASE}`] })
    is(await step('delegation', delegated), {
      state: 'failed',
      says: /^acme\.tunnel\.example names gone\.tunnel\.example, which has no address$/,
      cure: /^point it at tunnel\.example/,
      record: `${ZONE} NS ${BASE}`,
    })
  })

  test('the name server is another machine', async () => {
    world({ records: [...without(`${ZONE} NS`), `${ZONE} NS ns.provider.test`] })
    is(await step('delegation', delegated), {
      state: 'failed',
      says: /delegated to ns\.provider\.test \(127\.0\.0\.2\), which is not this server/,
      cure: /^replace the NS record/,
      record: `${ZONE} NS ${BASE}`,
    })
  })

  test('I5: row 4: only one of UDP and TCP', async () => {
    const outside: AskOutside = async ({ protocol }) => (protocol === 'tcp' ? reachable : timedOut)
    is(await step('port-53', { ...delegated, outside }), {
      state: 'not-checked',
      says: /^53\/tcp of 203\.0\.113\.7 answers, 53\/udp does not/,
      cure: /open 53\/udp/,
    })
  })

  test('I5: row 5: an address record where the NS record belongs', async () => {
    world({ records: [...without(`${ZONE} NS`), `${ZONE} A ${V4}`] })
    authority.zones = { ...authority.zones, cuts: [] }
    is(await step('delegation', delegated), {
      state: 'waiting',
      says: /has an address record/,
      cure: /^remove the A record of acme\.tunnel\.example; the NS replaces it/,
      record: `${ZONE} NS ${BASE}`,
    })
  })

  test('I5: row 25: a DNS provider without NS records for names', async () => {
    world({ records: without(`${ZONE} NS`) })
    authority.zones = { ...authority.zones, cuts: [] }
    const { cure } = await step('delegation', delegated)
    assert.match(cure, /If the DNS provider has no NS records.*prove each name over HTTP instead/)
  })

  test('the challenge leads nowhere, elsewhere, or has a text of its own', async () => {
    const record = `_acme-challenge.${BASE} CNAME ${LABEL}`
    world({ records: without(`_acme-challenge.${BASE}`) })
    const says = /_acme-challenge\.tunnel\.example is missing/
    is(await step('challenge', delegated), { state: 'waiting', says, cure: /^create _acme/, record })
    world({ records: [...without(`_acme-challenge.${BASE}`), `_acme-challenge.${BASE} CNAME old.acme-dns.test`] })
    const other = /leads to old\.acme-dns\.test, not to k3f9x2/
    is(await step('challenge', delegated), { state: 'failed', says: other, cure: /^replace it/, record })
    world({ records: [...without(`_acme-challenge.${BASE}`), `_acme-challenge.${BASE} TXT x`] })
    is(await step('challenge', delegated), {
      state: 'waiting',
      says: /TXT record of its own/,
      cure: /^replace/,
      record,
    })
  })

  test('I5: row 7: a resolver still remembers that a record was missing', async () => {
    world({ resolved: without(`_acme-challenge.${BASE}`) })
    is(await step('challenge', delegated), {
      state: 'ok',
      says: /a resolver still remembers that the record was missing, for at most 42 s\. The CA is not affected/,
    })
    world({ resolved: without(`${NAME} A`) })
    is(await step('address'), { state: 'ok', says: /still remembers.*at most 42 s\. The CA is not affected/ })
  })
})

describe('CAA', () => {
  const caa = (...lines: readonly string[]) => world({ records: [...RIGHT, ...lines] })

  test("I5: row 8: the zone's own CAA allows another CA only", async () => {
    caa('mine.uk CAA 0 issue digicert.com')
    is(await step('caa'), {
      state: 'failed',
      says: /^CAA at mine\.uk allows only digicert\.com$/,
      cure: /^add app\.mine\.uk CAA 0 issue "letsencrypt\.org"$/,
      record: `${NAME} CAA 0 issue "letsencrypt.org"`,
    })
    caa('mine.uk CAA 0 issue digicert.com', `${NAME} CAA 0 issue letsencrypt.org`)
    assert.equal((await step('caa')).state, 'ok')
    caa('mine.uk CAA 0 issue ;')
    is(await step('caa'), {
      state: 'failed',
      says: /allows only nobody/,
      cure: /^add/,
      record: `${NAME} CAA 0 issue "letsencrypt.org"`,
    })
  })

  test('whether CAA allows a CA that does not say what CAA calls it is not known', async () => {
    caa('mine.uk CAA 0 issue digicert.com')
    is(await step('caa', { ca: undefined }), {
      state: 'not-checked',
      says: /^CAA at mine\.uk allows digicert\.com; whether that is the CA is not known$/,
    })
  })

  test('I5: row 9: quotes in the value', async () => {
    caa('mine.uk CAA 0 issue "letsencrypt.org"')
    is(await step('caa'), {
      state: 'failed',
      says: /contains quotes that belong to the zone file: "letsencrypt\.org"/,
      cure: /^it must be letsencrypt\.org without quotes$/,
      record: `${NAME} CAA 0 issue "letsencrypt.org"`,
    })
  })

  test('I5: row 10: issuewild forbids wildcards, and wildcards alone', async () => {
    caa('mine.uk CAA 0 issue letsencrypt.org', 'mine.uk CAA 0 issuewild ;')
    const names = [`*.${NAME}`, NAME]
    is(await step('caa', { names, proof: 'delegated' }), {
      state: 'failed',
      says: /^issuewild ";" at mine\.uk forbids \*\.app\.mine\.uk$/,
      cure: /^add mine\.uk CAA 0 issuewild "letsencrypt\.org"$/,
      record: 'mine.uk CAA 0 issuewild "letsencrypt.org"',
    })
    assert.equal((await step('caa')).state, 'ok')
  })

  test('I5: row 11: the servers of the zone fail for CAA', async () => {
    for (const fault of ['SERVFAIL', 'NOTIMP'] as const) {
      world({ faults: { [`${NAME} CAA`]: fault } })
      is(await step('caa'), {
        state: 'failed',
        says: /^the servers of app\.mine\.uk fail for CAA \(type 257\)/,
        cure: /^ask the DNS provider of app\.mine\.uk.*no order is made$/,
      })
    }
  })

  test('no answer is no contrary answer', async () => {
    world({ faults: { [`${NAME} *`]: 'REFUSED' } })
    assert.equal((await step('caa')).state, 'not-checked')
    caa('mine.uk CAA 0 issue digicert.com')
    assert.equal((await step('caa', { ca: undefined })).state, 'not-checked')
  })

  test('parameters', async () => {
    caa('mine.uk CAA 0 issue letsencrypt.org; validationmethods=dns-01')
    const record = 'mine.uk CAA 0 issue "letsencrypt.org"'
    is(await step('caa'), {
      state: 'failed',
      says: /only for dns-01, and this name is proved by http-01/,
      cure: /correct/,
      record,
    })
    assert.equal((await step('caa', { proof: 'delegated' })).state, 'ok')
    caa('mine.uk CAA 0 issue letsencrypt.org; accounturi=https://ca.test/acct/1')
    const accountUrl = 'https://ca.test/acct/2'
    is(await step('caa', { accountUrl }), {
      state: 'failed',
      says: /account https:\/\/ca\.test\/acct\/1, and.*acct\/2/,
      cure: /correct/,
      record,
    })
    assert.equal((await step('caa', { accountUrl: 'https://ca.test/acct/1' })).state, 'ok')
    caa('mine.uk CAA 128 tbs Unknown')
    is(await step('caa'), { state: 'failed', says: /critical property "tbs"/, cure: /remove/ })
    caa('mine.uk CAA 0 iodef mailto:me@mine.uk')
    assert.equal((await step('caa')).state, 'ok')
  })

  test('through an alias', async () => {
    const target = ['cdn.test NS ns.provider.test', `edge.cdn.test A ${V4}`, 'edge.cdn.test CAA 0 issue digicert.com']
    world({ records: [...without(`${NAME} A`), `${NAME} CNAME edge.cdn.test`, ...target] })
    assert.match((await step('caa')).message, /allows only digicert\.com/)
  })
})
