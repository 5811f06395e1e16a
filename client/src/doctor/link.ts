// The steps that take a real link: the token, both clocks, both versions, and how far away the server is.
import { hostname } from 'node:os'
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@pbt/proto'
import type { Settings } from '../config/config.ts'
import { machineId } from '../config/stored.ts'
import { failureOf } from '../failure.ts'
import { AGENT } from '../process/version.ts'
import { onErrand } from '../session/brief.ts'
import { Lookup } from '../session/lookup.ts'
import type { Measurement } from '../session/measure.ts'
import { type Check, failed, notChecked, ok } from './check.ts'
import type { Surroundings } from './surroundings.ts'

/** The dial and the handshake have their own limits within this. */
const LINK_MS = 20_000
/** Seconds are shown in HTTP's dates, and an answer takes a moment; certificates bear minutes. */
const CLOCK_MS = 120_000

/** Connects as every command does, and says goodbye. */
export async function checkLink(settings: Settings, surroundings: Surroundings): Promise<readonly Check[]> {
  const { clock, wallTime, rateMs } = surroundings
  const options = { ...settings, lookup: new Lookup(clock), clock }
  const who = { agent: AGENT, machineId: machineId(settings.home), label: hostname(), purpose: 'doctor' }
  try {
    return await onErrand(options, who, LINK_MS, async (session, { agent, major, minor }, line) => [
      ok('token', 'the server takes the token'),
      clockCheck(line.serverTime(), wallTime()),
      versionCheck(agent, `${major}.${minor}`),
      ...rateChecks(await session.measure(rateMs)),
    ])
  } catch (error) {
    const { code, message, cure } = failureOf(error)
    const isToken = code === 'token-refused' || code === 'token-revoked'
    return [failed(isToken ? 'token' : code === 'version' ? 'version' : 'link', message, cure)]
  }
}

function clockCheck(date: string | undefined, now: number): Check {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return notChecked('clock', 'the server did not say what time it has')
  const aheadMs = now - theirs
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  if (Math.abs(aheadMs) <= CLOCK_MS) return ok('clock', `within ${seconds} s of the server's`)
  const cure = 'set the clocks of both machines by NTP: certificates and entries of allowlists end by them'
  return failed(
    'clock',
    `this machine's clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the server's`,
    cure,
  )
}

function versionCheck(agent: string, protocol: string): Check {
  const ours = `${PROTOCOL_MAJOR}.${PROTOCOL_MINOR}`
  return ok('version', `${AGENT} with protocol ${ours} here, ${agent} with protocol ${protocol} there`)
}

const BITS = 8
const MEGA = 1_000_000

function rateChecks(measured: Measurement | undefined): Check[] {
  if (measured === undefined) {
    return [notChecked('round-trip', 'the server is of a release that does not measure', 'upgrade pbt-server')]
  }
  const { roundTripMs, upBytesPerSecond, downBytesPerSecond } = measured
  const rate = (bytes: number) => `${((bytes * BITS) / MEGA).toFixed(bytes * BITS < 10 * MEGA ? 1 : 0)} Mbit/s`
  return [
    ok('round-trip', `${roundTripMs.toFixed(1)} ms to the server and back, over the link`),
    ok('rate', `${rate(upBytesPerSecond)} to the server, ${rate(downBytesPerSecond)} from it`),
  ]
}
