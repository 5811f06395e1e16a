// One measurement: a load against a system, with what its processes used meanwhile; and medians over rounds.

import type { Job, Result } from './load.ts'
import { cpuSeconds, startNode } from './machine.ts'
import type { System } from './systems.ts'

export interface Measured extends Result {
  /** CPU seconds used by the edge and by the client, and the time they were measured over. */
  readonly edgeSeconds: number
  readonly clientSeconds: number
  readonly seconds: number
}

export type Load = Omit<Job, 'port' | 'host'>

/** Runs the load; undefined when the system cannot be reached this way. */
export async function measure(system: System, load: Load): Promise<Measured | undefined> {
  const port = load.isTls ? system.https : system.http
  if (port === undefined) return undefined
  const job: Job = { ...load, port, host: system.host }
  const generator = startNode('load', 'bench/support/load.ts', [JSON.stringify(job)])
  const total = load.warmupSeconds + load.seconds
  const [edge, client] = [cpuSeconds(system.edge()), cpuSeconds(system.client())]
  const result = JSON.parse(await generator.line()) as Result
  const used = { edgeSeconds: cpuSeconds(system.edge()) - edge, clientSeconds: cpuSeconds(system.client()) - client }
  await generator.stop()
  return { ...result, ...used, seconds: total }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Field by field. */
export function medians(rounds: readonly Measured[]): Measured {
  const of = (key: keyof Measured) => median(rounds.map(round => round[key]))
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    bytesPerSecond: of('bytesPerSecond'),
    edgeSeconds: of('edgeSeconds'),
    clientSeconds: of('clientSeconds'),
    seconds: of('seconds'),
  }
}
