// A server that is killed in the middle of an order, at each of its steps. PBT_KILLS: how often, for longer runs by hand.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ownerOf } from '../support/owner.ts'
import { hasDnsWorld } from './support/dns-world.ts'
import type { Stage } from './support/fault-proxy.ts'
import { BASE, type IssuingServer, served, startIssuing } from './support/issuing-server.ts'
import { hasPebble } from './support/pebble.ts'

const STAGES: readonly Stage[] = [
  ...(['challenge', 'finalize', 'newOrder'] as const),
  ...(['certificate', 'authorization', 'newAccount', 'order', 'directory'] as const),
]
const KILLS = Number(process.env.PBT_KILLS ?? 2)

test('I1, H5: killed at each step of an order, a server gets that certificate all the same, with one order more at most', async t => {
  if (!hasPebble(t) || !(await hasDnsWorld(t))) return
  const issuing = await startIssuing(t)
  await served(t, issuing, BASE)
  for (let kill = 0; kill < KILLS; kill += 1) {
    const stage = STAGES[kill % STAGES.length] ?? 'order'
    await t.test(`killed at ${stage}`, st => killAt(st, issuing, stage, `kill-${kill}.mine.test`))
  }
})

async function killAt(t: TestContext, issuing: IssuingServer, stage: Stage, domain: string): Promise<void> {
  const { world, proxy } = issuing
  world.records.set(domain, { A: [world.address] })
  const { program } = issuing.server
  proxy.seen.length = 0
  proxy.rule = request => {
    if (request.stage !== stage) return undefined
    proxy.rule = () => undefined
    program.child.kill('SIGKILL')
    return undefined
  }
  const add = () => ownerOf(issuing.server).domains.addDomain({ domain })
  const isAdded = await add().then(
    () => true,
    () => false,
  )
  await program.exited
  await issuing.again()
  // The server was ended before it had answered: its owner tries again.
  if (!isAdded) await add().catch(() => {})
  const socket = await served(t, issuing, domain)
  assert.match(socket.getPeerCertificate().subjectaltname ?? '', new RegExp(domain))
  const orders = proxy.of('newOrder').filter(({ payload }) => payload?.includes(domain))
  assert.ok(orders.length <= 2, `${orders.length} orders after a kill at ${stage}`)
  assert.doesNotMatch(program.stderr, /PRIVATE KEY/)
}
