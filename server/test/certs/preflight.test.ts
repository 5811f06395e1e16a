// The preflight: what each finding about addresses, signatures, clock and ports says, and what the owner is told to do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openPreflight } from '../../src/certs/acme/preflight/preflight.ts'
import type { AskOutside, Check } from '../../src/certs/acme/types.ts'
import {
  authority,
  BASE,
  delegated,
  is,
  look,
  NAME,
  NOW,
  RIGHT,
  reachable,
  refused,
  resolver,
  step,
  timedOut,
  V4,
  V6,
  without,
  world,
} from './support/preflight-look.ts'

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
      cure: /^create ap\.mine\.uk CNAME tunnel\.example, or ap\.mine\.uk A 203\.0\.113\.7$/,
      record: `ap.mine.uk CNAME ${BASE}`,
    })
  })

  test('I5: row 20: no address record', async () => {
    world({ records: without(`${NAME} A`) })
    is(await step('address'), {
      state: 'waiting',
      says: /^app\.mine\.uk has no address at all$/,
      cure: /^create app\.mine\.uk CNAME tunnel\.example, or app\.mine\.uk A 203\.0\.113\.7$/,
      record: `${NAME} CNAME ${BASE}`,
    })
    is(await step('address', { names: ['mine.uk'], addresses: [V4, V6] }), {
      state: 'waiting',
      says: /^mine\.uk has no address at all/,
      cure: /^create mine\.uk A 203\.0\.113\.7 and mine\.uk AAAA 2001:db8::7$/,
      record: `mine.uk A ${V4}`,
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
    const record = `${NAME} CNAME ${BASE}`
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
