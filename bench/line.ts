// A line of 500 Mbit/s with a real round trip between server and client: bulk alone, and small requests beside it.
import { measure } from './support/measure.ts'
import { milli, Report } from './support/report.ts'
import { isWanted, readOptions } from './support/run.ts'
import { type MakeSystem, startOrigin, startPbt, startRathole, startSsh } from './support/systems.ts'

const BYTES_PER_MS = 62_500
const ROUND_TRIPS_MS = [20, 40, 100]
/** Start-up is not what is measured. */
const WARMUP_SECONDS = 3

const options = readOptions(6, 1)
const report = new Report('line', '500 Mbit/s line between server and client')
const makers: readonly (readonly [name: string, make: MakeSystem])[] = [
  ['pbt', startPbt],
  ['ssh', startSsh],
  ['rathole', startRathole],
]
const origin = await startOrigin()
for (const roundTrip of ROUND_TRIPS_MS) {
  const rows: string[][] = []
  for (const [name, make] of makers) {
    if (!isWanted(options, name)) continue
    for (const bulk of ['down', 'up'] as const) {
      const system = await make(origin.port, { bytesPerMs: BYTES_PER_MS, oneWayMs: roundTrip / 2 })
      if (system === undefined) continue
      const common = { isTls: false, warmupSeconds: WARMUP_SECONDS, seconds: options.seconds }
      const idle = await measure(system, {
        ...common,
        kind: 'requests',
        connections: 1,
        warmupSeconds: 0.5,
        seconds: 1,
      })
      const alone = await measure(system, { ...common, kind: bulk, connections: 1 })
      const beside = await measure(system, { ...common, kind: 'mixed', bulk, connections: 4 })
      const part = (bytes = 0) => `${((bytes / 1000 / BYTES_PER_MS) * 100).toFixed(0)} %`
      rows.push([
        `${system.name} ${bulk}`,
        part(alone?.bytesPerSecond),
        milli(idle?.p50 ?? 0),
        milli(beside?.p50 ?? 0),
        milli(beside?.p99 ?? 0),
        part(beside?.bytesPerSecond),
      ])
      await system.stop()
    }
  }
  report.table(
    `${roundTrip} ms round trip`,
    ['system', 'bulk alone, of the line', 'request idle p50 ms', 'beside bulk p50 ms', 'p99 ms', 'bulk keeps'],
    rows,
  )
}
report.save()
await origin.running.stop()
process.exit()
