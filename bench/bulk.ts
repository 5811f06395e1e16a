// One long download and one long upload: how fast, and what a gigabyte costs each process.
import { bulkTable } from './support/bulk-table.ts'
import { Report } from './support/report.ts'
import { readOptions, startSystems } from './support/run.ts'
import { startBare, startBore, startPbt, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(5, 3)
const report = new Report('bulk', 'one download and one upload, loopback')
const { systems, stop } = await startSystems([startPbt, startBare, startSsh, startRathole, startBore], options)
for (const kind of ['down', 'up'] as const) await bulkTable(report, systems, options, kind)
report.save()
await stop()
process.exit()
