// Certificates that renew by their age while visitors come and stay: minutes, so by hand, PBT_RENEWALS=10 npm test -- this file.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { httpTarget } from '../support/targets.ts'
import { hasDnsWorld } from './support/dns-world.ts'
import { issuingClient, served, startIssuing } from './support/issuing-server.ts'
import { hasPebble } from './support/pebble.ts'
import { steadyVisitors } from './support/steady-visitors.ts'

const RENEWALS = Number(process.env.PBT_RENEWALS ?? 1)
const LIFE_SECONDS = Number(process.env.PBT_LIFE_SECONDS ?? 60)
const skip = process.env.PBT_RENEWALS === undefined ? 'takes minutes: set PBT_RENEWALS to have it run' : false
const PER_SECOND = 100
const HOST = 'app.mine.test'

test('I1: a certificate renews at half of its life under 100 requests a second: no TLS error, no connection cut', {
  skip,
}, async t => {
  if (!hasPebble(t) || !(await hasDnsWorld(t))) return
  const issuing = await startIssuing(t, { validitySeconds: LIFE_SECONDS })
  issuing.world.records.set(HOST, { A: [issuing.world.address] })
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  const client = issuingClient(t, issuing, ['http', String(target), '--domain', HOST])
  await served(t, issuing, HOST)
  await client.event('online')
  const visitors = await steadyVisitors(issuing, HOST, PER_SECOND, '200 hello')
  const deadline = Date.now() + (RENEWALS + 2) * LIFE_SECONDS * 1_000
  while (visitors.seen.serials.length <= RENEWALS && Date.now() < deadline) await wait(200)
  const { requests, errors, serials } = await visitors.stop()
  const slowest = Math.max(...orderSeconds(issuing.server.program.stderr))
  t.diagnostic(`${requests} requests, ${serials.length} certificates of ${LIFE_SECONDS} s, ${errors.length} errors`)
  t.diagnostic(`from an order to its certificate: ${slowest.toFixed(1)} s at most`)
  assert.deepEqual(errors.slice(0, 5), [])
  assert.ok(serials.length > RENEWALS, `${serials.length} certificates\n${issuing.server.program.stderr}`)
})

/** How long each order of a server took, by its log. */
function orderSeconds(log: string): number[] {
  const lines = log.split('\n').filter(line => /"a certificate (is ordered|has come)"/.test(line))
  const begun = new Map<string, number>()
  return lines.flatMap(line => {
    const { message, names, timestamp } = JSON.parse(line) as { message: string; names: string[]; timestamp: string }
    const [key, at] = [String(names), Date.parse(timestamp)]
    if (message === 'a certificate has come') return [(at - (begun.get(key) ?? at)) / 1_000]
    begun.set(key, at)
    return []
  })
}
