// `pbt doctor`: what is wrong between here and the server, and what to do about it.
import { systemClock } from '@pbt/proto'
import { type Check, examine } from '../doctor/doctor.ts'
import { EXIT } from '../failure.ts'
import { checkOutput } from '../output/checks.ts'
import { type Command, tellUnknownVariables } from './command.ts'
import { JSON_LINES } from './options.ts'
import { outputOptions } from './output-options.ts'

/** Each way. */
const RATE_MS = 1_000

interface DoctorOptions {
  json: boolean | undefined
}

/** Needs nothing: what cannot be looked at is said. Changes nothing, here or on the server. */
export const doctor: Command<DoctorOptions> = {
  usage: 'doctor',
  summary: 'what is wrong between here and the server, step by step, and what to do; holds no secrets',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES).example('$0 doctor', 'exit code 1: a check has failed'),
  run: async ({ json }, context) => {
    tellUnknownVariables(context)
    const show = checkOutput(outputOptions(json === true, context))
    const checks: Check[] = []
    await examine({ env: context.env, clock: systemClock, wallTime: Date.now, rateMs: RATE_MS }, check => {
      checks.push(check)
      show(check)
    })
    return checks.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.stopped
  },
}
