// Errands: what a server of another release, or none, makes of them.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@pbt/proto'
import type { Failure } from '../failure.ts'
import { onErrand } from './brief.ts'
import { Lookup } from './lookup.ts'
import type { Session } from './session.ts'
import { TEST_CERTIFICATE } from './testing/certificate.ts'
import { startLinkServer, welcomeBatch } from './testing/link-server.ts'

const WHO = { agent: 'pbt/test', machineId: 'm', label: 'test', purpose: 'test' }
const WISH = { tunnel: 'app', blocks: [], isMe: true, durationMs: 0 }

async function failureOf(t: TestContext, isWelcoming: boolean, limitMs: number, errand: (session: Session) => unknown) {
  const server = await startLinkServer(call => {
    call.on('data', () => {})
    call.on('end', () => call.end())
    if (isWelcoming) call.write(welcomeBatch())
  })
  t.after(() => server.close())
  const lookup = new Lookup(systemClock)
  const place = { server: { base: 'localhost', port: server.port }, token: 'x', ca: TEST_CERTIFICATE }
  const options = { ...place, proxy: undefined, lookup, clock: systemClock }
  return await onErrand(options, WHO, limitMs, errand).then(
    () => undefined,
    (failure: Failure) => failure,
  )
}

test('a server that knows nothing of letting in is told apart, with what to do', async t => {
  const failure = await failureOf(t, true, 10_000, session => session.letIn(WISH))
  assert.equal(failure?.code, 'unsupported')
  assert.match(failure?.message ?? '', /pbt-server\/test\) does not change allowlists for clients/)
  assert.match(failure?.cure ?? '', /upgrade pbt-server/)
})

test('an errand that is done ends, and one that is not has a limit', async t => {
  assert.equal(await failureOf(t, true, 10_000, () => {}), undefined)
  const late = await failureOf(t, true, 50, () => new Promise(() => {}))
  assert.equal(late?.code, 'silent')
})
