// The table of a bulk transfer: what each system carries, and what a gigabyte costs its processes.

import { type Measured, measure as measureLoad } from './measure.ts'
import { mega, type Report, ratio } from './report.ts'
import { compareBy, type Options } from './run.ts'
import type { System } from './systems.ts'

/** How a bulk transfer is measured; undefined when the system cannot do it. */
export type MeasureBulk = (
  system: System,
  load: { readonly kind: 'down' | 'up'; readonly warmupSeconds: number; readonly seconds: number },
) => Promise<Measured | undefined>

export async function bulkTable(
  report: Report,
  systems: readonly System[],
  options: Options,
  kind: 'down' | 'up',
  measure: MeasureBulk = inNode,
): Promise<void> {
  const load = { kind, warmupSeconds: 1, seconds: options.seconds } as const
  const measured = await compareBy(systems, system => measure(system, load), options.rounds)
  const pbt = measured.get('pbt')
  report.table(
    kind === 'down' ? 'download' : 'upload',
    ['system', 'MB/s', 'CPU-s a GB edge', 'CPU-s a GB client', 'pbt is … of it'],
    [...measured].map(([name, each]) => {
      const gigabytes = (each.bytesPerSecond * each.seconds) / 1e9
      return [
        name,
        mega(each.bytesPerSecond),
        (each.edgeSeconds / gigabytes).toFixed(2),
        (each.clientSeconds / gigabytes).toFixed(2),
        ratio(pbt?.bytesPerSecond, each.bytesPerSecond),
      ]
    }),
  )
}

const inNode: MeasureBulk = (system, load) => measureLoad(system, { ...load, isTls: false, connections: 1 })
