// Small requests by host name: how many a second, how quick, and what one costs each process.

import { milli, Report, ratio } from './support/report.ts'
import { compare, readOptions, startSystems } from './support/run.ts'
import { startBare, startBore, startNginxRathole, startPbt, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(4, 3)
const report = new Report('http', 'small requests through each system')
const makers = [startPbt, startBare, startNginxRathole, startRathole, startBore, startSsh]
const { systems, stop } = await startSystems(makers, options)

for (const isTls of [false, true]) {
  for (const connections of [1, 64]) {
    const load = { kind: 'requests', isTls, connections, warmupSeconds: 1.5, seconds: options.seconds } as const
    const measured = await compare(systems, load, options.rounds)
    const [pbt, bare] = [measured.get('pbt'), measured.get('bare Node proxy')]
    report.table(
      `${isTls ? 'HTTPS' : 'HTTP'}, ${connections} connection${connections === 1 ? '' : 's'}`,
      ['system', 'requests/s', 'p50 ms', 'p99 ms', 'CPU edge us', 'CPU client us', 'pbt is … of it'],
      [...measured].map(([name, each]) => {
        const requests = each.perSecond * each.seconds
        return [
          name,
          each.perSecond.toFixed(0),
          milli(each.p50),
          milli(each.p99),
          ((each.edgeSeconds / requests) * 1e6).toFixed(0),
          ((each.clientSeconds / requests) * 1e6).toFixed(0),
          ratio(pbt?.perSecond, each.perSecond),
        ]
      }),
    )
    if (connections === 1) report.say(`\np50 of pbt / p50 of the bare proxy: ${ratio(pbt?.p50, bare?.p50)}`)
  }
}

const load = { kind: 'handshakes', isTls: true, connections: 16, warmupSeconds: 1, seconds: options.seconds } as const
const measured = await compare(systems, load, options.rounds)
report.table(
  'new HTTPS connections',
  ['system', 'connections/s', 'p50 ms', 'p99 ms', 'pbt is … of it'],
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
