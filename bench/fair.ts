// Small requests beside a download that takes all it can get, on loopback.

import { mega, milli, Report } from './support/report.ts'
import { compare, readOptions, startSystems } from './support/run.ts'
import { startBare, startBore, startPbt, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(6, 3)
const report = new Report('fair', 'small requests beside a saturating download, loopback')
const { systems, stop } = await startSystems([startPbt, startBare, startSsh, startRathole, startBore], options)
const common = { isTls: false, connections: 4, warmupSeconds: 2, seconds: options.seconds }
const idle = await compare(systems, { ...common, kind: 'requests', connections: 1 }, options.rounds)
const beside = await compare(systems, { ...common, kind: 'mixed', bulk: 'down' }, options.rounds)
report.table(
  'small requests',
  ['system', 'idle p50 ms', 'idle p99 ms', 'beside p50 ms', 'beside p99 ms', 'download MB/s'],
  [...beside].map(([name, each]) => [
    name,
    milli(idle.get(name)?.p50 ?? 0),
    milli(idle.get(name)?.p99 ?? 0),
    milli(each.p50),
    milli(each.p99),
    mega(each.bytesPerSecond),
  ]),
)
report.save()
await stop()
process.exit()
