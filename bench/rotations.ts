// Kills pbt-server in the middle of rotations of the token, and the command that does them without a server, and tells whether exactly one
// token had no end each time: `node bench/rotations.ts --rounds 50`. A round that breaks it ends the run with its reason.
import { parseArgs } from 'node:util'
import { killRotations } from '../server/test/support/killed-rotations.ts'
import { Cleanup } from './support/cleanup.ts'
import { Report } from './support/report.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string' } } })
const rounds = Number(values.rounds ?? 50)

const cleanup = new Cleanup()
const report = new Report('rotations', 'kill -9 in the middle of rotations')
let isKept = true
try {
  const { told, untold } = await killRotations(cleanup, rounds, said => process.stderr.write(`${said}\n`))
  const columns = [
    'rounds by the API',
    'by the command',
    'told before',
    'not told',
    'more or fewer than one valid token',
    'database',
  ]
  report.table('Tokens', columns, [[String(rounds), String(rounds), String(told), String(untold), '0', 'ok']])
} catch (error) {
  isKept = false
  report.say(`\nbroken: ${error instanceof Error ? error.message : String(error)}`)
} finally {
  await cleanup.end()
}
report.save()
process.exit(isKept ? 0 : 1)
