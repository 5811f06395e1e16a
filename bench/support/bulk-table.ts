// The table of a bulk transfer: what each system carries, and what a gigabyte costs its processes.
import { mega, type Report, ratio } from './report.ts'
import { compare, type Options } from './run.ts'
import type { System } from './systems.ts'

export async function bulkTable(
  report: Report,
  systems: readonly System[],
  options: Options,
  kind: 'down' | 'up',
): Promise<void> {
  const load = { kind, isTls: false, connections: 1, warmupSeconds: 1, seconds: options.seconds } as const
  const measured = await compare(systems, load, options.rounds)
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
