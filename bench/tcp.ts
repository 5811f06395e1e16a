// A TCP tunnel: bulk both ways, what a gigabyte costs, small requests at 64 connections, and new connections a second.
import { bulkTable } from './support/bulk-table.ts'
import { iperf3, iperfBulk, LOAD_NAME, startIperfServer } from './support/iperf.ts'
import { milli, Report, ratio } from './support/report.ts'
import { compare, inShortRounds, readOptions, startSystems } from './support/run.ts'
import { startBore, startPbtTcp, startRathole, startSsh } from './support/systems.ts'

const options = inShortRounds(readOptions(4, 3))
const report = new Report('tcp', 'one TCP tunnel, loopback')
const makers = [startPbtTcp, startSsh, startRathole, startBore]
report.say(`\nBulk: ${LOAD_NAME}. Small requests and new connections: load in Node.`)
if (iperf3 !== undefined) {
  const { systems, stop } = await startSystems(makers, options, startIperfServer)
  for (const kind of ['down', 'up'] as const)
    await bulkTable(report, systems, options, kind, (system, load) => iperfBulk(system, kind, load))
  await stop()
}
const { systems, stop } = await startSystems(makers, options)
if (iperf3 === undefined) for (const kind of ['down', 'up'] as const) await bulkTable(report, systems, options, kind)
for (const [kind, connections, title] of [
  ['requests', 64, 'small requests, 64 connections'],
  ['handshakes', 16, 'new connections, 16 at once, each with one small request'],
] as const) {
  const load = { kind, isTls: false, connections, warmupSeconds: 0.7, seconds: options.seconds }
  const measured = await compare(systems, load, options.rounds)
  report.table(
    title,
    ['system', 'a second', 'p50 ms', 'p99 ms', 'pbt is … of it'],
    [...measured].map(([name, each]) => [
      name,
      each.perSecond.toFixed(0),
      milli(each.p50),
      milli(each.p99),
      ratio(measured.get('pbt')?.perSecond, each.perSecond),
    ]),
  )
}
report.save()
await stop()
process.exit()
