// What is wrong between here and the server, step by step: each step stands on the one before.
import { homeOf } from '../config/config.ts'
import { type Check, notChecked } from './check.ts'
import { checkFiles, checkSettings } from './files.ts'
import { checkLink } from './link.ts'
import { checkName, checkRoutes, checkTls } from './network.ts'
import type { Surroundings } from './surroundings.ts'
import { checkTunnels } from './targets.ts'

export type { Check } from './check.ts'
export type { Surroundings } from './surroundings.ts'

/** Tells each check when it is done. Throws Failure `usage` when the directory of the files is none. */
export async function examine(surroundings: Surroundings, tell: (check: Check) => void): Promise<void> {
  const home = homeOf(surroundings.env)
  const stored = checkFiles(home)
  const { checks, settings } = checkSettings(surroundings.env)
  // What comes from the environment needs no file.
  tell(settings !== undefined && stored.state === 'not-checked' ? { ...stored, cure: '' } : stored)
  for (const check of checks) tell(check)
  if (settings === undefined)
    notReached(['name', 'ipv4', 'ipv6', 'tls', 'token'], 'no server and token are known', tell)
  else await examineWay(settings, surroundings, tell)
  for (const check of await checkTunnels(home)) tell(check)
}

type Known = NonNullable<ReturnType<typeof checkSettings>['settings']>

async function examineWay(settings: Known, surroundings: Surroundings, tell: (check: Check) => void): Promise<void> {
  const { check, addresses } = await checkName(settings, surroundings)
  tell(check)
  if (addresses.length === 0) {
    notReached(['ipv4', 'ipv6', 'tls', 'token'], 'there is no address to connect to', tell)
    return
  }
  const routes = await checkRoutes(settings, addresses)
  for (const each of routes.checks) tell(each)
  if (routes.address === undefined) {
    notReached(['tls', 'token'], 'nothing takes connections there', tell)
    return
  }
  const tls = await checkTls(settings, routes.address, surroundings)
  tell(tls)
  if (tls.state === 'failed') notReached(['token'], 'nobody is shown the token before that is right', tell)
  else for (const each of await checkLink(settings, surroundings)) tell(each)
}

function notReached(steps: readonly string[], why: string, tell: (check: Check) => void): void {
  for (const step of steps) tell(notChecked(step, why))
}
