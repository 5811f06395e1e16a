// One long download and one long upload: how fast, and what a gigabyte costs each process.

import { mega, Report, ratio } from './support/report.ts'
import { compare, readOptions, startSystems } from './support/run.ts'
import { startBare, startBore, startPbt, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(5, 3)
const report = new Report('bulk', 'one download and one upload, loopback')
const { systems, stop } = await startSystems([startPbt, startBare, startSsh, startRathole, startBore], options)

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
report.save()
await stop()
process.exit()
