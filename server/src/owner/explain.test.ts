// What is said of a visitor's way, for each step that can fail.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptAddress } from './addresses.ts'
import { type ExplainedTunnel, type ExplainOptions, ExplainVerb } from './explain.ts'

const BASE = 'tunnel.example.com'
const KEPT: KeptAddress = {
  ...{ address: 'app', tunnel: 'app', isMapped: false, target: '127.0.0.1:3000', isExpected: true },
  ...{ access: 'client', entries: [], clientBlocks: [], note: '', createdAt: new Date(0), lastUsedAt: undefined },
}
const TUNNEL: ExplainedTunnel = {
  ...{ name: 'app', state: 'online', reason: '', clientLabel: 'nas', target: '127.0.0.1:3000' },
  health: { answers: true, message: '', at: new Date(0) },
}

interface Case {
  readonly address?: string
  readonly peer?: string
  readonly kept?: Partial<KeptAddress> | undefined
  readonly tunnel?: Partial<ExplainedTunnel>
  readonly options?: Partial<ExplainOptions>
}

async function explained({ address = 'app', peer = '', kept = {}, tunnel = {}, options = {} }: Case) {
  const verb = new ExplainVerb({
    baseDomain: BASE,
    addresses: async () => (kept === undefined ? [] : [{ ...KEPT, ...kept }]),
    tunnel: async name => (name === '' ? undefined : { ...TUNNEL, ...tunnel }),
    running: { covers: () => true, waitingAt: () => undefined, httpsPort: () => 443, listens: () => true },
    resolve: async () => ['203.0.113.1'],
    domainSteps: async function* () {},
    publicAddresses: ['203.0.113.1'],
    ...options,
  })
  return await verb.explain(address, peer)
}

test('a way on which all is well has eight steps in its order, and ends at the target', async () => {
  const { checks, verdict, isReachable } = await explained({ address: `https://app.${BASE}/x` })
  const steps = ['name', 'dns', 'port', 'certificate', 'tunnel', 'allowlist', 'client', 'target']
  assert.deepEqual(
    checks.map(({ step }) => step),
    steps,
  )
  assert.deepEqual(
    checks.map(({ state }) => state),
    steps.map(() => 'ok'),
  )
  assert.deepEqual([verdict, isReachable], ['A visitor who is allowed reaches 127.0.0.1:3000.', true])
})

const listed = { access: 'listed', entries: [{ block: '198.51.100.0/24', note: '', endsAt: undefined }] } as const
const FAILURES: readonly (readonly [step: string, each: Case, message: RegExp, cure: RegExp])[] = [
  ['name', { address: 'other' }, /no tunnel|nobody/, /pbt http PORT --domain other/],
  [
    'dns',
    { options: { resolve: async () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })) } },
    /ENOTFOUND/,
    /A record/,
  ],
  ['dns', { options: { publicAddresses: ['203.0.113.9'] } }, /203\.0\.113\.1.*203\.0\.113\.9/, /public-address/],
  [
    'port',
    {
      address: 'tcp:20022',
      kept: { address: 'tcp:20022' },
      options: {
        running: { covers: () => true, waitingAt: () => undefined, httpsPort: () => 443, listens: () => false },
      },
    },
    /does not listen on TCP port 20022/,
    /port-range/,
  ],
  [
    'certificate',
    {
      options: {
        running: { covers: () => false, waitingAt: () => undefined, httpsPort: () => 443, listens: () => true },
      },
    },
    /no certificate covers app\.tunnel/,
    /tls-cert/,
  ],
  ['tunnel', { kept: { tunnel: '' } }, /reserved/, /address map app/],
  ['tunnel', { tunnel: { state: 'paused' } }, /paused/, /tunnel resume app/],
  ['tunnel', { tunnel: { state: 'killed' } }, /ended/, /tunnel start app/],
  [
    'allowlist',
    { kept: listed, peer: '198.51.101.7' },
    /198\.51\.101\.7 is not on .*198\.51\.100\.0\/24/,
    /--add 198\.51\.101\.7/,
  ],
  ['allowlist', { kept: { access: 'listed', entries: [] } }, /empty/, /pbt-server allow app/],
  ['client', { tunnel: { state: 'awaited' } }, /nas/, /pbt status/],
  ['client', { tunnel: { state: 'offline', reason: 'the link broke' } }, /not connected: the link broke/, /nas/],
  ['client', { tunnel: { state: 'offline', reason: 'nas is connected and does not open it' } }, /^nas is conn/, /nas/],
  [
    'target',
    { tunnel: { health: { answers: false, message: 'connection refused', at: new Date(0) } } },
    /connection refused/,
    /nas/,
  ],
]
for (const [step, each, message, cure] of FAILURES) {
  test(`what fails at the step "${step}" is told with its cure: ${JSON.stringify(each.tunnel ?? each.kept ?? each.address ?? message.source)}`, async () => {
    const { checks, verdict, isReachable } = await explained(each)
    const first = checks.find(({ state }) => state === 'failed')
    assert.equal(first?.step, step)
    assert.match(first?.message ?? '', message)
    assert.match(first?.cure ?? '', cure)
    // Whom it is about is said once.
    const why = (first?.message ?? '-').replace(`${each.peer ?? '-'} is `, '')
    assert.ok(!isReachable && verdict.includes(`through: ${why}.`), verdict)
  })
}

test('a visitor whom an entry lets in is told which, a wildcard answers for its names, and what is no address is refused', async () => {
  const { checks } = await explained({ kept: listed, peer: '::ffff:198.51.100.7' })
  assert.match(checks.find(({ step }) => step === 'allowlist')?.message ?? '', /198\.51\.100\.0\/24/)
  const wild = await explained({ address: `a.app.${BASE}`, kept: { address: '*.app' } })
  assert.match(wild.checks[0]?.message ?? '', /by \*\.app/)
  const byTunnel = await explained({ address: 'game', kept: { address: 'udp:20007', tunnel: 'game' } })
  assert.deepEqual([byTunnel.isReachable, byTunnel.checks[0]?.message], [true, 'udp:20007 is kept'], 'by its tunnel')
  for (const wrong of [{ address: 'no/name' }, { peer: 'no address' }, { peer: '203.0.113.0/24' }])
    await assert.rejects(explained(wrong), { code: 'usage' })
})

test('without a running server what cannot be seen is not checked', async () => {
  const { checks } = await explained({ options: { running: undefined }, tunnel: { state: 'offline' } })
  const unseen = checks.filter(({ state }) => state === 'not-checked').map(({ step }) => step)
  assert.deepEqual(unseen, ['port', 'certificate'])
  const paused = await explained({ options: { running: undefined }, tunnel: { state: 'paused' } })
  assert.equal(paused.checks.find(({ step }) => step === 'client')?.state, 'not-checked')
})

test('a custom domain without a certificate is explained by what that needs', async () => {
  const found = [
    {
      step: 'address',
      name: 'app.mine.uk',
      state: 'waiting',
      message: 'app.mine.uk has no address at all',
      cure: 'create it',
    },
    { step: 'caa', name: 'app.mine.uk', state: 'ok', message: 'fine', cure: '' },
  ] as const
  async function* domainSteps() {
    yield* found
  }
  const running = {
    covers: () => false,
    waitingAt: () => ({ reason: 'its DNS is being checked', cure: 'wait' }),
    httpsPort: () => 443,
    listens: () => true,
  }
  const kept = { address: 'app.mine.uk' }
  const { checks, verdict } = await explained({ address: 'app.mine.uk', kept, options: { running, domainSteps } })
  assert.deepEqual(
    checks.slice(1, 5).map(({ step, state }) => [step, state]),
    [
      ['address', 'failed'],
      ['caa', 'ok'],
      ['port', 'ok'],
      ['certificate', 'failed'],
    ],
  )
  assert.match(verdict, /app\.mine\.uk has no address at all/)
  assert.deepEqual(
    [checks[4]?.message, checks[4]?.cure],
    ['no certificate covers app.mine.uk: its DNS is being checked', 'wait'],
  )

  const covered = { ...running, covers: () => true }
  const other = await explained({ address: 'app.mine.uk', kept, options: { running: covered, domainSteps } })
  assert.deepEqual(
    other.checks.slice(1, 3).map(({ step }) => step),
    ['dns', 'port'],
  )
})
