// `pbt-server doctor`: what is wrong with this server and around it, each with its cure.
import { setTimeout as pause } from 'node:timers/promises'
import { isServiceData, type Settings } from '../config/config.ts'
import type { OwnDomain } from '../doctor/automatic.ts'
import { Failure } from '../failure.ts'
import { VERSION } from '../process/version.ts'
import { withApi } from './api.ts'
import type { Command } from './command.ts'
import { checkOf, itemOf } from './domain.ts'

/** How long a server may take to start, and how often it is looked for, milliseconds. */
const [STARTING_MS, LOOK_MS] = [15_000, 250]

/** Fails with `unhealthy` when a step has failed, after all were shown. */
export const doctor: Command = {
  name: 'doctor',
  summary: 'look at data, ports, firewall, DNS, certificates, clock and installation, and say what to do',
  // As root: it sees whose ports and firewall these are.
  keepsUser: true,
  run: async ({ config, settings }, output) => {
    const [{ examine, isServiceActive }, { runningServer }] = await Promise.all([
      import('../doctor/doctor.ts'),
      import('../reach.ts'),
    ])
    const isStarting = () => isServiceData(config.dataDir) && isServiceActive()
    const running = await started(() => runningServer(settings), isStarting)
    const domains = running === undefined ? undefined : await ownDomains(settings)
    const found = await examine({ config, version: VERSION, running, domains })
    const bad = found.filter(({ state }) => state === 'failed')
    const open = found.filter(({ state }) => state === 'not-checked').length
    const beside = open === 0 ? '' : `, ${open} cannot be checked from here`
    const verdict = `${bad.length === 0 ? 'nothing is wrong' : `${bad.length} of ${found.length} steps failed`}${beside}`
    output({ list: 'check', items: found, verdict })
    if (bad.length > 0) throw new Failure('unhealthy', verdict, { cure: bad[0]?.cure ?? '' })
  },
}

/** What the running server says about its own certificates, each with its preflight. */
async function ownDomains(settings: Settings): Promise<OwnDomain[]> {
  return await withApi(settings, async api => {
    const { domains } = await api.domains.listDomains({})
    const own = domains.filter(({ isBase }) => isBase).map(itemOf)
    return await Promise.all(
      own.map(async ({ domain, names, problem, validUntil, issuer = '' }) => {
        const checks: OwnDomain['checks'][number][] = []
        for await (const response of api.domains.checkDomain({ domain })) {
          const { name = domain, cure = '', ...check } = checkOf(response)
          checks.push({ ...check, name, cure })
        }
        const certificate = validUntil && { endsAt: validUntil, issuer }
        return { domain, names, certificate, problem: problem && { cure: '', ...problem }, checks }
      }),
    )
  })
}

/** systemd calls a service active as soon as its process is there. */
async function started<T>(find: () => Promise<T | undefined>, isActive: () => boolean): Promise<T | undefined> {
  let found = await find()
  for (
    const until = performance.now() + STARTING_MS;
    found === undefined && performance.now() < until && isActive();
  ) {
    await pause(LOOK_MS)
    found = await find()
  }
  return found
}
