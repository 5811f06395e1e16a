// Real orders at Pebble, which refuses every second nonce, reuses authorizations and takes its time; and at a CA that breaks in every way.
import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { ariIdOf } from '../../src/certs/acme/issuer/ari.ts'
import type { IssueFailure } from '../../src/certs/acme/types.ts'
import { at, CA_FAULTS } from './support/ca-faults.ts'
import { answerWith, changed, modernCa, problem, type SeenRequest } from './support/fault-proxy.ts'
import {
  BLOCKED,
  certificatesIn,
  chainOf,
  failureOf,
  issue,
  issuerOf,
  newKey,
  type Place,
  startPlace,
} from './support/order-place.ts'
import { hasPebble } from './support/pebble.ts'

const BROKEN = new URL('support/broken-library.ts', import.meta.url).pathname
const IN_A_ROW = 10

test('I1, I2: certificates from a CA that refuses every second nonce, and what comes of one that breaks', async t => {
  if (!hasPebble(t)) return
  const place = await startPlace(t)
  await t.test('ten in a row by HTTP-01 and DNS-01, wildcard and apex at once', () => tenInARow(place))
  await t.test('a challenge is answered once and an order finalized once', () => asksAsTheRfcHasIt(place))
  await t.test('challenges of unknown types are ignored', () => ignoresUnknownTypes(place))
  await t.test('a key whose public half begins with zeros', () => takesEveryKey(place))
  await t.test('an account that the CA has lost is made anew, once', () => registersAnew(place))
  await t.test('renewals with replaces and profile, at the time that the CA suggests', () => renews(place))
  await t.test('I3, I4: each failure has its code, type, words, name and time', st => tellsFailures(st, place))
  await t.test('stopped: at once, and nothing is left', () => stops(place))
  await t.test('a library that breaks is one failed order', () => survivesLibrary(place))
})

test('an external account binding, for a CA that wants one', async t => {
  if (!hasPebble(t)) return
  const hmacKey = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')
  const config = { externalAccountBindingRequired: true, externalAccountMACKeys: { 'kid-1': hmacKey } }
  const place = await startPlace(t, { config, env: {} })
  const without = failureOf(await issue(place, ['eab.example.test']))
  assert.equal(without.type, 'externalAccountRequired')
  assert.equal(without.stage, 'newAccount')
  const wrong = { kid: 'kid-1', hmacKey: Buffer.alloc(32).toString('base64url') }
  assert.equal(failureOf(await issue(place, ['eab.example.test'], { eab: wrong })).code, 'ca')
  chainOf(await issue(place, ['eab.example.test'], { eab: { kid: 'kid-1', hmacKey } }))
})

async function tenInARow(place: Place): Promise<void> {
  const root = new X509Certificate(await place.pebble.root())
  for (let n = 0; n < IN_A_ROW; n += 1) {
    const key = newKey()
    const isByDns = n % 2 === 1
    const names = isByDns ? [`*.t${n}.example.test`, `t${n}.example.test`] : ['a.example.test', `b${n}.example.test`]
    const issued = await issue(place, names, { key, proof: isByDns ? 'delegated' : 'http' }, { isDirect: true })
    const [leaf, intermediate] = certificatesIn(chainOf(issued))
    assert.ok(leaf?.checkPrivateKey(createPrivateKey(key)))
    assert.deepEqual(leaf?.subjectAltName?.split(', ').sort(), names.map(name => `DNS:${name}`).sort())
    assert.ok(intermediate !== undefined && leaf?.verify(intermediate.publicKey))
    assert.ok(intermediate.verify(root.publicKey))
  }
  assert.equal(place.answers.placed.size, 0)
  assert.ok(place.answers.tokens.length > 0)
}

async function asksAsTheRfcHasIt(place: Place): Promise<void> {
  const { proxy } = place
  let polls = 0
  proxy.rule = ({ stage, payload }) => {
    if (stage === 'finalize') return changed(order => Object.assign(order, { status: 'processing' }))
    if (stage !== 'order' || proxy.of('finalize').length === 0) return undefined
    assert.equal(payload, '')
    polls += 1
    return polls > 2
      ? undefined
      : changed(order => Object.assign(order, { status: 'processing', certificate: undefined }))
  }
  const stages: string[] = []
  const finalizing = () => proxy.of('finalize').length
  const onStage = (stage: string) => {
    stages.push(stage)
    if (stage === 'finalize') assert.equal(finalizing(), 0, 'it is told before the CA is asked')
  }
  chainOf(await issue(place, ['once.example.test', 'twice.example.test'], { onStage }))
  assert.equal(stages[0], 'newAccount')
  assert.equal(stages[1], 'newOrder')
  assert.deepEqual(stages.slice(-3), ['order', 'finalize', 'certificate'])
  const answered = proxy
    .of('challenge')
    .filter(({ payload }) => payload === '{}')
    .map(({ path }) => path)
  // Refused for its nonce it is the same answer again.
  assert.equal(new Set(answered).size, 2)
  for (const path of new Set(answered)) {
    const last = proxy.seen.findLastIndex(each => each.path === path && each.payload === '{}')
    const first = proxy.seen.findIndex(each => each.path === path && each.payload === '')
    assert.ok(first === -1 || last < first, 'answered again after it was polled')
  }
  const finalized = proxy.seen.findLastIndex(({ stage }) => stage === 'finalize')
  assert.ok(finalized < proxy.seen.findLastIndex(({ stage }) => stage === 'order'))
  assert.ok(polls > 2)
  assert.ok(proxy.seen.every(({ userAgent }) => userAgent === 'pbt-server/0.0.0'))
}

async function ignoresUnknownTypes(place: Place): Promise<void> {
  place.proxy.rule = ({ stage }) =>
    stage === 'authorization'
      ? changed(authorization => {
          const known = authorization.challenges as object[]
          const persist = {
            type: 'dns-persist-01',
            url: 'https://localhost/none',
            status: 'pending',
            'issuer-domain-names': ['ca.test'],
          }
          authorization.challenges = [persist, 'nonsense', null, ...known, { type: 'tls-alpn-02' }]
        })
      : undefined
  chainOf(await issue(place, ['persist.example.test']))
}

async function takesEveryKey(place: Place): Promise<void> {
  for (;;) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { x = '' } = privateKey.export({ format: 'jwk' })
    if (Buffer.from(x, 'base64url')[0] !== 0) continue
    chainOf(
      await issue(place, ['zeros.example.test'], {
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }),
    )
    return
  }
}

async function registersAnew(place: Place): Promise<void> {
  let isLost = true
  place.proxy.rule = ({ stage }) => {
    if (stage !== 'newOrder' || !isLost) return undefined
    isLost = false
    return problem(400, 'accountDoesNotExist', 'unable to find an account')
  }
  chainOf(await issue(place, ['lost.example.test']))
  place.proxy.rule = ({ stage }) =>
    stage === 'newOrder' ? problem(400, 'accountDoesNotExist', 'no account') : undefined
  assert.equal(failureOf(await issue(place, ['lost.example.test'])).type, 'accountDoesNotExist')
  assert.equal(place.proxy.of('newOrder').length, 2)
}

async function renews(place: Place): Promise<void> {
  const { proxy } = place
  const start = Date.UTC(2030, 0, 1)
  const asked: string[] = []
  const renewal = (id: string) => {
    asked.push(id)
    return { start, end: start + 1_000, retryAfterSeconds: 5 }
  }
  let isReplaced = false
  proxy.rule = modernCa({ renewal, profiles: { shortlived: 'a week' } }, ({ stage, payload }) => {
    if (stage !== 'newOrder') return undefined
    // Debian's Pebble knows neither, and would not mind.
    return isReplaced && payload?.includes('replaces')
      ? problem(409, 'alreadyReplaced', 'it has been replaced')
      : undefined
  })
  const first = chainOf(await issue(place, ['renewed.example.test']))
  const authority = { directory: proxy.directory, ca: place.pebble.ca }
  const replaces = ariIdOf(first)
  const info = await issuerOf(place).renewalInfo(authority, first, new AbortController().signal)
  assert.deepEqual(info, { start, end: start + 1_000, explanationUrl: '', retryAfterMs: 60_000 })
  assert.deepEqual(asked, [replaces])
  chainOf(await issue(place, ['renewed.example.test'], { replaces, profile: 'shortlived' }))
  const wish = JSON.parse(proxy.of('newOrder').at(-1)?.payload ?? '')
  assert.deepEqual(wish, {
    identifiers: [{ type: 'dns', value: 'renewed.example.test' }],
    profile: 'shortlived',
    replaces,
  })
  isReplaced = true
  chainOf(await issue(place, ['renewed.example.test'], { replaces }))
  assert.equal(JSON.parse(proxy.of('newOrder').at(-1)?.payload ?? '').replaces, undefined)
  const unknown = failureOf(await issue(place, ['renewed.example.test'], { profile: 'gold' }))
  assert.match(
    `${unknown.type}: ${unknown.message}`,
    /^invalidProfile: the CA has no profile "gold"; it has shortlived$/,
  )
  assert.equal(proxy.of('newOrder').length, 0, 'no order is spent on it')
  proxy.rule = () => undefined
  assert.equal(await issuerOf(place).renewalInfo(authority, first, new AbortController().signal), undefined)
  proxy.rule = modernCa({ renewal }, ({ stage }) =>
    stage === 'renewalInfo'
      ? answerWith(200, '{"suggestedWindow":{"start":"2030-01-01T00:00:00Z","end":"soon"}}')
      : undefined,
  )
  await assert.rejects(issuerOf(place).renewalInfo(authority, first, new AbortController().signal), {
    code: 'certificate',
    message: 'no renewal information: the CA suggests no time that can be read',
  })
}

async function tellsFailures(t: TestContext, place: Place): Promise<void> {
  const { proxy, answers } = place
  for (const [title, rule, expected, words, requests] of CA_FAULTS) {
    proxy.rule = rule
    const failure = failureOf(await issue(place, ['fault.example.test']))
    const found = Object.fromEntries(Object.keys(expected).map(key => [key, failure[key as keyof IssueFailure]]))
    assert.deepEqual(found, expected, title)
    assert.match(failure.message, words, title)
    const stage = proxy.seen.findLast(request => rule(request, proxy.seen) !== undefined)?.stage ?? ''
    // Pebble refuses nonces where it is asked.
    if (rule(proxy.of(stage)[0] as SeenRequest, [])?.kind !== 'change')
      assert.equal(proxy.of(stage).length, requests, title)
    assert.equal(answers.placed.size, 0, title)
  }
  proxy.rule = () => undefined
  await t.test('a name that does not answer', async () => {
    answers.silent.add('silent.example.test')
    const failure = failureOf(await issue(place, ['answers.example.test', 'silent.example.test']))
    assert.deepEqual([failure.code, failure.stage, failure.name], ['ca', 'challenge', 'silent.example.test'])
    assert.match(`${failure.type}: ${failure.message}`, /^unauthorized: .*404/)
    const byDns = failureOf(await issue(place, ['silent.example.test'], { proof: 'delegated' }))
    assert.deepEqual([byDns.code, byDns.name], ['ca', 'silent.example.test'])
  })
  await t.test('a name that the CA refuses', async () => {
    const failure = failureOf(await issue(place, [BLOCKED]))
    assert.deepEqual([failure.type, failure.stage], ['rejectedIdentifier', 'newOrder'])
  })
  await t.test('nobody there', async () => {
    const failure = failureOf(await issue(place, ['x.example.test'], { directory: 'https://localhost:1/dir' }))
    assert.deepEqual([failure.code, failure.message], ['unreachable', 'localhost:1: refuses connections'])
    const untrusted = failureOf(await issue(place, ['x.example.test'], { ca: '' }))
    assert.match(untrusted.message, /its own certificate is not trusted .*see acme-ca/)
  })
  await t.test('no answer in time', async () => {
    proxy.rule = at('newOrder', { kind: 'hang' })
    const failure = failureOf(await issue(place, ['x.example.test'], {}, { deadlineMs: 5_000 }))
    assert.deepEqual([failure.code, failure.stage], ['timeout', 'newOrder'])
    proxy.rule = () => ({ kind: 'slow', ms: 50 })
    chainOf(await issue(place, ['slow.example.test']))
  })
}

async function stops(place: Place): Promise<void> {
  const { proxy, answers } = place
  const stop = new AbortController()
  // Until then the CA has refused as many nonces as it liked.
  let stoppedAt = 0
  proxy.rule = ({ stage }) => {
    if (stage !== 'challenge' || stop.signal.aborted) return undefined
    stoppedAt = performance.now()
    stop.abort()
    return undefined
  }
  const failure = failureOf(await issue(place, ['stopped.example.test'], { signal: stop.signal }))
  assert.equal(failure.code, 'stopped')
  const tookMs = performance.now() - stoppedAt
  assert.ok(tookMs < 5_000, `it ended ${tookMs} ms after it was stopped`)
  assert.equal(answers.placed.size, 0)
  assert.equal(failureOf(await issue(place, ['stopped.example.test'], { signal: stop.signal })).code, 'stopped')
}

async function survivesLibrary(place: Place): Promise<void> {
  const expected: Readonly<Record<string, RegExp>> = {
    exits: /^process: the issuing process ended early \(code 3\)/,
    throws: /^process: .*a library broke/,
    aborts: /^process: the issuing process ended early \(SIG/,
    hangs: /^timeout: /,
    spins: /^timeout: /,
    grows: /^process: the issuing process ended early/,
    prints: /^process: the issuing process ended early \(code 0\): \{"pbt":true/,
    floods: /^process: the issuing process printed more than 256 KiB/,
    'floods-errors': /^process: the issuing process printed more than 256 KiB/,
    asks: /^process: the issuing process asked for too much/,
    strays: /^process: the issuing process asked for what there is not/,
    finishes: /^process: the issuing process ended without a certificate/,
    curious: /^process: the issuing process failed: (ERR_ACCESS_DENIED, ){4}environment 0, network ERR_ACCESS_DENIED$/,
  }
  const found = await Promise.all(
    Object.entries(expected).map(async ([behaviour, words]) => {
      const deadlineMs = behaviour === 'hangs' || behaviour === 'spins' ? 4_000 : 60_000
      const result = await issue(place, [`${behaviour}.example.test`], {}, { runner: BROKEN, deadlineMs })
      const { code, message } = failureOf(result)
      assert.match(`${code}: ${message}`, words, behaviour)
      return behaviour
    }),
  )
  assert.equal(found.length, Object.keys(expected).length)
  chainOf(await issue(place, ['after.example.test']))
}
