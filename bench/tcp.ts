// A TCP tunnel: bulk both ways, what a gigabyte costs, and small requests at 64 connections.

import { mega, milli, Report, ratio } from './support/report.ts'
import { compare, readOptions, startSystems } from './support/run.ts'
import { startBore, startPbtTcp, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(4, 3)
const report = new Report('tcp', 'one TCP tunnel, loopback')
const { systems, stop } = await startSystems([startPbtTcp, startSsh, startRathole, startBore], options)

for (const kind of ['down', 'up'] as const) {
  const load = { kind, isTls: false, connections: 1, warmupSeconds: 1.5, seconds: options.seconds } as const
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
const requests = {
  kind: 'requests',
  isTls: false,
  connections: 64,
  warmupSeconds: 1.5,
  seconds: options.seconds,
} as const
const measured = await compare(systems, requests, options.rounds)
report.table(
  'small requests, 64 connections',
  ['system', 'a second', 'p50 ms', 'p99 ms', 'pbt is … of it'],
  [...measured].map(([name, each]) => [
    name,
    each.perSecond.toFixed(0),
    milli(each.p50),
    milli(each.p99),
    ratio(measured.get('pbt')?.perSecond, each.perSecond),
  ]),
)
report.save()
await stop()
process.exit()
