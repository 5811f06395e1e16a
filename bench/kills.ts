// Kills both programs in the middle of everything, round after round, and tells whether anything was lost that must not be:
// `node bench/kills.ts --rounds 50`. Every round that breaks a promise ends the run with its reason.
import { parseArgs } from 'node:util'
import { killWhileClaiming } from '../server/test/support/claiming.ts'
import { Killing, VICTIMS } from '../server/test/support/killing.ts'
import { Cleanup } from './support/cleanup.ts'
import { Report } from './support/report.ts'

/** Promised: addresses serve again within this, milliseconds. */
const BACK_MS = 5_000

const { values } = parseArgs({ options: { rounds: { type: 'string' }, claims: { type: 'string' } } })
const rounds = Number(values.rounds ?? 50)
const claims = Number(values.claims ?? 4 * rounds)

const cleanup = new Cleanup()
const report = new Report('kills', 'kill -9 in the middle of everything')
let isKept = true
try {
  const killing = await Killing.start(cleanup)
  const rows: string[][] = []
  for (const victims of VICTIMS) {
    const backs: number[] = []
    let [cut, visits] = [0, 0]
    for (let round = 0; round < rounds; round++) {
      const result = await killing.round(victims)
      backs.push(result.backMs)
      cut += result.cut
      visits += result.visits
      process.stderr.write(`${victims} ${round + 1}/${rounds}: back after ${Math.round(result.backMs)} ms\n`)
    }
    backs.sort((left, right) => left - right)
    const slowest = backs.at(-1) ?? 0
    if (slowest > BACK_MS) isKept = false
    const median = backs[Math.floor(backs.length / 2)] ?? 0
    rows.push([
      victims,
      String(rounds),
      median.toFixed(0),
      slowest.toFixed(0),
      String(visits),
      String(cut),
      '0',
      '0',
      'ok',
    ])
  }
  report.table(
    'Programs',
    [
      'killed',
      'rounds',
      'back after ms, median',
      'slowest',
      'visitors',
      'cut, and seen as cut',
      'cut taken for whole',
      'asked twice',
      'database',
    ],
    rows,
  )
  const claimed = await killWhileClaiming(cleanup, claims, said => process.stderr.write(`${said}\n`))
  report.table(
    'The server, while names and ports are claimed',
    ['rounds', 'names acknowledged', 'ports acknowledged', 'lost', 'database'],
    [[String(claims), String(claimed.names), String(claimed.ports), '0', 'ok']],
  )
} catch (error) {
  isKept = false
  report.say(`\nbroken: ${error instanceof Error ? error.message : String(error)}`)
} finally {
  await cleanup.end()
}
report.save()
process.exit(isKept ? 0 : 1)
