// The preflight: each prerequisite of an order with a check of its own, so that no order is spent on what cannot succeed.
import type { AskOutside, Check, CheckedDomain, Preflight } from '../types.ts'
import { checkAddress } from './addresses.ts'
import { checkCaa } from './caa.ts'
import { type CaView, checkClock } from './clock.ts'
import { checkChallenge, checkZone } from './delegation.ts'
import { checkDnssec } from './dnssec.ts'
import type { Asked, Place } from './place.ts'
import { checkPorts } from './ports.ts'
import { World, type WorldOptions } from './world.ts'

/** All checks of one domain together, milliseconds: what is not known by then is not checked. */
const ALL_MS = 45_000

export interface PreflightOptions {
  readonly place: Place
  /** Read anew for each look: the machine may have moved to another network. */
  readonly world: () => WorldOptions
  /** The CA's own view; undefined when it does not answer. Never rejects. */
  readonly askCa: (signal: AbortSignal) => Promise<CaView | undefined>
  /** The account's URL at the CA; '' when there is none yet. */
  readonly accountUrl: () => string
  readonly askOutside: AskOutside
  readonly now: () => Date
}

/** The checks in the order of the way: clock, addresses or delegation, signatures, CAA, ports. */
export function openPreflight(options: PreflightOptions): Preflight {
  return { check: (domain, signal) => checks(options, domain, signal) }
}

async function* checks(options: PreflightOptions, domain: CheckedDomain, signal: AbortSignal): AsyncIterable<Check> {
  const { place, askCa, askOutside, accountUrl, now } = options
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ALL_MS)])
  const world = new World(options.world(), bounded)
  const asked: Asked = { ...domain, place }
  const bare = [...new Set(domain.names.map(name => name.replace(/^\*\./, '')))]

  // All begin at once, and are told in order.
  const view = askCa(bounded)
  const issuing = view.then(each => ({
    ...{ identities: each?.identities ?? [], accountUrl: accountUrl(), proof: domain.proof },
  }))
  const begun: Promise<Check>[] = [view.then(each => checkClock(each, now()))]
  if (domain.proof === 'delegated') begun.push(checkZone(asked, world))
  for (const name of bare) {
    const target = domain.delegation.get(name)
    if (domain.proof === 'delegated' && target !== undefined) begun.push(checkChallenge(name, target, world))
    begun.push(checkAddress(name, asked, world))
    begun.push(checkDnssec(name, world))
  }
  for (const name of domain.names) begun.push(issuing.then(each => checkCaa(name, each, world)))
  for (const check of begun) yield await check
  yield* checkPorts(domain.proof, place, askOutside, bounded)
}
