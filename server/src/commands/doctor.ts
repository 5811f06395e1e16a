// `pbt-server doctor`: what is wrong with this server and around it, each with its cure.
import { Failure } from '../failure.ts'
import { VERSION } from '../process/version.ts'
import type { Command } from './command.ts'

/** Fails with `unhealthy` when a step has failed, after all were shown. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'look at data, ports, firewall, DNS, certificates, clock and installation, and say what to do',
  // As root: it sees whose ports and firewall these are.
  keepsUser: true,
  run: async ({ config, settings }, output) => {
    const [{ examine }, { runningServer }] = await Promise.all([import('../doctor/doctor.ts'), import('../reach.ts')])
    const found = await examine({ config, version: VERSION, running: await runningServer(settings) })
    const bad = found.filter(({ state }) => state === 'failed')
    const open = found.filter(({ state }) => state === 'not-checked').length
    const beside = open === 0 ? '' : `, ${open} cannot be checked from here`
    const verdict = `${bad.length === 0 ? 'nothing is wrong' : `${bad.length} of ${found.length} steps failed`}${beside}`
    output({ list: 'check', items: found, verdict })
    if (bad.length > 0) throw new Failure('unhealthy', verdict, { cure: bad[0]?.cure ?? '' })
  },
}
