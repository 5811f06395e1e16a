// The preflight over DNS servers of our own: what each finding says, and what the owner is told to do.
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import type { CaView } from '../../src/certs/acme/preflight/clock.ts'
import { openPreflight, type PreflightOptions } from '../../src/certs/acme/preflight/preflight.ts'
import type { AskOutside, Check, OutsideView, ProofKind } from '../../src/certs/acme/types.ts'
import { type Fault, TestDns } from './support/test-dns.ts'

const V4 = '203.0.113.7'
const V6 = '2001:db8::7'
const BASE = 'tunnel.example'
const ZONE = `acme.${BASE}`
const NAME = 'app.mine.uk'
const LABEL = `k3f9x2.${ZONE}`
const NOW = new Date('2026-11-28T12:00:00Z')

const ends: (() => unknown)[] = []
const cleaner = { after: (end: () => unknown) => void ends.push(end) }
after(() => {
  for (const end of ends) end()
})

/** Everything right: a custom domain over HTTP, and the base domain delegated. */
const RIGHT = [
  'example NS ns.provider.test',
  `${BASE} NS ns.provider.test`,
  'mine.uk NS ns.provider.test',
  'ns.provider.test A 127.0.0.2',
  `${BASE} A ${V4}`,
  `${NAME} A ${V4}`,
  `${ZONE} NS ${BASE}`,
  `_acme-challenge.${BASE} CNAME ${LABEL}`,
  `_acme-challenge.${NAME} CNAME ${LABEL}`,
]
const CUTS = [ZONE]

const resolver = await TestDns.start(cleaner, '127.0.0.1', 0, true, { records: [] })
const authority = await TestDns.start(cleaner, '127.0.0.2', resolver.port, false, { records: [] })

interface World {
  /** For both. */
  readonly records?: readonly string[]
  readonly faults?: Readonly<Record<string, Fault>>
  /** What the resolver says instead. */
  readonly resolved?: readonly string[]
  readonly resolverFaults?: Readonly<Record<string, Fault>>
}

function world({ records = RIGHT, faults = {}, resolved = records, resolverFaults = {} }: World): void {
  authority.zones = { records, faults, cuts: CUTS }
  resolver.zones = { records: resolved, faults: resolverFaults }
}
beforeEach(() => world({}))

const without = (...lines: readonly string[]) => RIGHT.filter(line => !lines.some(each => line.startsWith(each)))
const reachable: OutsideView = { isReachable: true, isRefused: false, words: 'seen by laptop' }
const timedOut: OutsideView = { isReachable: false, isRefused: false, words: 'laptop: timed out' }
const refused: OutsideView = { isReachable: false, isRefused: true, words: 'laptop: refused' }

interface Asked {
  readonly names?: readonly string[]
  readonly proof?: ProofKind
  readonly addresses?: readonly string[]
  readonly ca?: CaView | undefined
  readonly outside?: AskOutside
  readonly ownNames?: readonly string[]
  readonly accountUrl?: string
  readonly isResolverOnly?: boolean
  readonly tryMs?: number
  readonly httpPort?: number
}

async function look(asked: Asked = {}): Promise<Check[]> {
  const { names = [NAME], proof = 'http', addresses = [V4], outside = async () => reachable, ownNames = [] } = asked
  const ca = 'ca' in asked ? asked.ca : { date: NOW, identities: ['letsencrypt.org'] }
  const options: PreflightOptions = {
    place: {
      baseDomain: BASE,
      publicAddresses: addresses,
      httpPort: asked.httpPort ?? 80,
      dnsPort: 53,
      ownNames: () => ownNames,
    },
    world: () => ({
      resolvers: [resolver],
      isResolverOnly: asked.isResolverOnly ?? false,
      authorityPort: authority.port,
      ...(asked.tryMs === undefined ? {} : { tryMs: asked.tryMs }),
    }),
    askCa: async () => ca,
    accountUrl: () => asked.accountUrl ?? '',
    askOutside: outside,
    now: () => NOW,
  }
  const delegation = new Map(names.map(name => [name.replace('*.', ''), LABEL]))
  const found: Check[] = []
  for await (const check of openPreflight(options).check({ names, proof, delegation }, AbortSignal.timeout(30_000)))
    found.push(check)
  return found
}

async function step(name: string, asked: Asked = {}): Promise<Check> {
  const found = await look(asked)
  // The worst of this step.
  const [first] = ['failed', 'waiting', 'not-checked', 'ok'].flatMap(state =>
    found.filter(check => check.step === name && check.state === state),
  )
  assert.ok(first !== undefined, `${name} in ${JSON.stringify(found)}`)
  return first
}

interface Expected {
  readonly state: Check['state']
  readonly says: RegExp
  readonly cure?: RegExp
  readonly record?: string
}

function is(check: Check, { state, says, cure, record }: Expected): void {
  assert.equal(check.state, state, JSON.stringify(check))
  assert.match(check.message, says)
  assert.match(check.cure, cure ?? /^$/)
  const text = check.record && `${check.record.name} ${check.record.type} ${check.record.value}`
  assert.equal(text, record)
}

const delegated: Asked = { names: [`*.${BASE}`, BASE], proof: 'delegated' }

describe('what is right', () => {
  test('over HTTP', async () => {
    const found = await look()
    assert.deepEqual(
      found.map(({ step, state }) => [step, state]),
      ['clock', 'address', 'dnssec', 'caa', 'port-80'].map(each => [each, 'ok']),
      JSON.stringify(found),
    )
    assert.ok(authority.asked.includes(`${NAME} A`), 'its own servers were asked')
  })

  test('by delegation', async () => {
    const found = await look(delegated)
    assert.deepEqual(
      found.map(({ step, state }) => [step, state]),
      ['clock', 'delegation', 'challenge', 'address', 'dnssec', 'caa', 'caa', 'port-53'].map(each => [each, 'ok']),
      JSON.stringify(found),
    )
  })

  test('by the resolver of dns-resolver alone', async () => {
    authority.asked.length = 0
    for (const asked of [{}, delegated]) {
      const found = await look({ ...asked, isResolverOnly: true })
      assert.ok(
        found.every(({ state }) => state === 'ok'),
        JSON.stringify(found),
      )
    }
    assert.deepEqual(authority.asked, [])
  })

  test('through aliases into another zone', async () => {
    const records = [...without(`${NAME} A`), `${NAME} CNAME ${BASE}`]
    world({ records })
    assert.equal((await step('address')).state, 'ok')
  })
})

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

describe('addresses', () => {
  test('I5: row 12: AAAA of another server', async () => {
    world({ records: [...RIGHT, `${NAME} AAAA 2001:db8:ffff::1`] })
    is(await step('address'), {
      state: 'failed',
      says: /^app\.mine\.uk has AAAA 2001:db8:ffff::1, which is not this server\. The CA prefers IPv6$/,
      cure: /remove or correct the AAAA record/,
    })
  })

  test('I5: row 13: AAAA is right and not reached', async () => {
    world({ records: [...RIGHT, `${NAME} AAAA 2001:0db8:0::7`] })
    const addresses = [V4, V6]
    const outside: AskOutside = async ({ address }) => (address === V6 ? timedOut : reachable)
    assert.equal((await step('address', { addresses })).state, 'ok')
    is(await step('port-80', { addresses, outside }), {
      state: 'not-checked',
      says: /^port 80 over IPv6 of 2001:db8::7 does not answer from outside \(laptop: timed out\)/,
      cure: /open 80\/tcp/,
    })
    const unseen = await step('port-80', { outside: async () => undefined })
    is(unseen, {
      state: 'not-checked',
      says: /not checked from outside/,
      cure: /connect a client from another network/,
    })
  })

  test("I5: row 15: Cloudflare's proxy", async () => {
    for (const [type, address] of [
      ['A', '104.21.5.6'],
      ['AAAA', '2606:4700:3030::1'],
    ] as const) {
      world({ records: [...without(`${NAME} A`), `${NAME} ${type} ${address}`] })
      is(await step('address'), {
        state: 'failed',
        says: /^app\.mine\.uk resolves to Cloudflare \(.*\), not to this server$/,
        cure: /"DNS only"/,
      })
    }
  })

  test('I5: row 19: a typo', async () => {
    is(await step('address', { names: ['ap.mine.uk'], ownNames: [NAME, 'other.uk'] }), {
      state: 'waiting',
      says: /^ap\.mine\.uk has no address at all\. Did you mean app\.mine\.uk\?$/,
      cure: /^create ap\.mine\.uk A 203\.0\.113\.7$/,
      record: `ap.mine.uk A ${V4}`,
    })
  })

  test('I5: row 20: no address record', async () => {
    world({ records: without(`${NAME} A`) })
    is(await step('address'), {
      state: 'waiting',
      says: /^app\.mine\.uk has no address at all$/,
      cure: /^create app\.mine\.uk A 203\.0\.113\.7$/,
      record: `${NAME} A ${V4}`,
    })
  })

  test('I5: row 22: this machine sees another address than the world', async () => {
    world({ resolved: [...without(`${NAME} A`), `${NAME} A 192.168.1.9`] })
    is(await step('address'), {
      state: 'ok',
      says: /this machine's resolver says 192\.168\.1\.9, the world says 203\.0\.113\.7: the CA sees the second/,
    })
  })

  test('another server, an inner address, and an alias of nothing', async () => {
    const record = `${NAME} A ${V4}`
    world({ records: [...without(`${NAME} A`), `${NAME} A 198.51.100.1`] })
    is(await step('address'), {
      state: 'failed',
      says: /leads to 198\.51\.100\.1, not to this server/,
      cure: /^replace/,
      record,
    })
    world({ records: [...RIGHT, `${NAME} A 198.51.100.1`] })
    is(await step('address'), {
      state: 'failed',
      says: /leads to 198\.51\.100\.1/,
      cure: /remove the A record with 198/,
    })
    world({ records: [...without(`${NAME} A`), `${NAME} A 192.168.1.9`] })
    is(await step('address'), {
      state: 'failed',
      says: /192\.168\.1\.9, which nobody reaches/,
      cure: /^replace/,
      record,
    })
    world({ records: [...without(`${NAME} A`), `${NAME} CNAME gone.mine.uk`] })
    is(await step('address'), {
      state: 'failed',
      says: /alias of gone\.mine\.uk, which has no/,
      cure: /^replace/,
      record,
    })
  })

  test('where this server is, nobody has said', async () => {
    is(await step('address', { addresses: [] }), {
      state: 'not-checked',
      says: /whether that is this server is not known/,
      cure: /set public-address/,
    })
  })
})

describe('signatures, clock, port 80', () => {
  test('I5: row 16: signatures are broken', async () => {
    world({ resolverFaults: { [`${NAME} A`]: 'bogus' } })
    is(await step('dnssec'), {
      state: 'failed',
      says: /^the DNSSEC signatures of app\.mine\.uk are broken/,
      cure: /remove the DS record at the registrar/,
    })
    world({ resolverFaults: { [`${NAME} A`]: 'SERVFAIL' } })
    assert.equal((await step('dnssec')).state, 'not-checked')
  })

  test('I5: row 24: the clock', async () => {
    const off = (minutes: number) => ({ date: new Date(NOW.getTime() + minutes * 60_000), identities: [] })
    is(await step('clock', { ca: off(90) }), {
      state: 'failed',
      says: /^this clock is 90 minutes slow: certificates would look not yet valid$/,
      cure: /timedatectl/,
    })
    assert.match((await step('clock', { ca: off(-90) })).message, /90 minutes fast/)
    assert.equal((await step('clock', { ca: off(2) })).state, 'ok')
    assert.equal((await step('clock', { ca: undefined })).state, 'not-checked')
  })

  test('on another port it is told which one the CA comes to', async () => {
    is(await step('port-80', { outside: async () => undefined, httpPort: 8080 }), {
      state: 'not-checked',
      says: /not checked from outside/,
      cure: /http-port is 8080, and the CA comes to 80/,
    })
  })

  test('port 80 is refused', async () => {
    is(await step('port-80', { outside: async () => refused }), {
      state: 'failed',
      says: /port 80 of 203\.0\.113\.7 does not answer from outside \(laptop: refused\)/,
      cure: /open 80\/tcp/,
    })
  })
})

describe('servers that are no help', () => {
  test('an answer that is cut is asked for over TCP', async () => {
    world({ faults: { [`${NAME} A`]: 'cut' } })
    assert.equal((await step('address')).state, 'ok')
  })

  test('records that nobody asked for are passed over', async () => {
    world({ faults: { [`${NAME} A`]: 'forged' } })
    assert.equal((await step('address')).state, 'ok')
  })

  test('junk, silence, and answers to other questions are no answer, and stop nothing', async () => {
    for (const fault of ['junk', 'silent', 'other-id', 'SERVFAIL', 'REFUSED'] as const) {
      world({ faults: { [`${NAME} A`]: fault }, resolverFaults: { [`${NAME} A`]: fault } })
      const found = await look({ tryMs: 100 })
      const { state, message } = found.find(({ step }) => step === 'address') ?? {}
      assert.equal(state, 'not-checked', `${fault}: ${message}`)
      assert.ok(found.every(({ state }) => state !== 'failed'))
    }
  })

  test('a look that is given up ends at once', async () => {
    world({ faults: { [`${NAME} *`]: 'silent' }, resolverFaults: { [`${NAME} *`]: 'silent' } })
    const options = { resolvers: [resolver], isResolverOnly: true }
    const preflight = openPreflight({
      place: { baseDomain: BASE, publicAddresses: [V4], httpPort: 80, dnsPort: 53, ownNames: () => [] },
      world: () => options,
      askCa: async () => undefined,
      accountUrl: () => '',
      askOutside: async () => undefined,
      now: () => NOW,
    })
    const domain = { names: [NAME], proof: 'http' as const, delegation: new Map<string, string>() }
    const found: Check[] = []
    for await (const check of preflight.check(domain, AbortSignal.abort())) found.push(check)
    assert.ok(found.every(({ state }) => state === 'not-checked'))
  })
})
