// How long an allowlist takes to judge an address, from one entry to as many as there can be: `node bench/allowlist.ts`.
import { Allowlist } from '../server/src/access/allowlist.ts'
import { Report } from './support/report.ts'

const SIZES = [1, 10, 100, 1_000, 10_000]
const JUDGED = 200_000
const ROUNDS = 7

const blocks = (count: number) => Array.from({ length: count }, (_, index) => `10.${index >> 8}.${index & 255}.0/25`)
const visitors = (count: number) =>
  Array.from(
    { length: 1_024 },
    (_, index) => `10.${((index * 7) % count) >> 8}.${((index * 7) % count) & 255}.${index & 255}`,
  )

const cases = SIZES.map(size => ({
  size,
  list: new Allowlist(blocks(size)),
  visitors: visitors(size),
  bestNs: Infinity,
}))
let allowed = 0
for (let round = 0; round < ROUNDS; round++) {
  for (const one of cases) {
    const begun = process.hrtime.bigint()
    for (let index = 0; index < JUDGED; index++) if (one.list.allows(one.visitors[index & 1_023] ?? '')) allowed++
    one.bestNs = Math.min(one.bestNs, Number(process.hrtime.bigint() - begun) / JUDGED)
  }
}
const [first] = cases
const report = new Report('allowlist', `${JUDGED} addresses, the best of ${ROUNDS} rounds`)
report.table(
  'Judging one address',
  ['entries', 'ns', 'times one entry'],
  cases.map(({ size, bestNs }) => [String(size), bestNs.toFixed(0), (bestNs / (first?.bestNs ?? 1)).toFixed(2)]),
)
report.say(`\n${allowed} of them were allowed.`)
report.save()
