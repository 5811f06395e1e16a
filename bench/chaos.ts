// Everything at once, for as long as one likes: `node bench/chaos.ts --seconds 600 --seed 1`. Ends with 1 when a promise was
// broken. The seed decides what happens; when it happens is up to the machine.
import { parseArgs } from 'node:util'
import { ALLOWED_BYTES, ALLOWED_DESCRIPTORS, runChaos } from '../server/test/support/chaos.ts'
import { Cleanup } from './support/cleanup.ts'
import { Report } from './support/report.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seconds: { type: 'string' }, rate: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(values.seconds ?? 600)
const perSecond = Number(values.rate ?? 200)

const cleanup = new Cleanup()
const report = new Report('chaos', `${perSecond} visitors a second for ${seconds} s, seed ${seed}`)
let isKept = false
try {
  const say = (what: string) => process.stderr.write(`${what}\n`)
  const { rows, events, faults, growth } = await runChaos(cleanup, { seed, seconds, perSecond, say })
  report.table(
    'What was done',
    ['deed', 'times'],
    [...events].map(([deed, times]) => [deed, String(times)]),
  )
  report.table(
    'Visitors (cut: seen as cut, and under way while a program was killed)',
    ['kind', 'visits', 'whole', 'cut'],
    rows.map(({ kind, visits, whole, cut }) => [kind, visits, whole, cut].map(String)),
  )
  report.table(
    `Afterwards, against fresh processes (allowed: ${ALLOWED_BYTES >> 20} MiB, ${ALLOWED_DESCRIPTORS} descriptors)`,
    ['program', 'MiB more', 'descriptors more'],
    growth.map(({ program, bytes, descriptors }) => [program, (bytes / 2 ** 20).toFixed(0), String(descriptors)]),
  )
  report.say(`\nLost, repeated, mixed up or cut as whole: ${faults.length}.`)
  for (const fault of faults.slice(0, 50)) report.say(`- ${fault}`)
  isKept = faults.length === 0
} catch (error) {
  report.say(`\nbroken: ${error instanceof Error ? error.message : String(error)}`)
} finally {
  await cleanup.end()
}
report.save()
process.exit(isKept ? 0 : 1)
