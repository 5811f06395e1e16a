// What the access log costs: small requests through two servers, one with the log and one without, in turns, and how long the
// log holds up the thread that carries traffic. `node bench/access-log.ts [--seconds N] [--rounds N] [--quick]`.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { AccessLog } from '../server/src/observe/access-log.ts'
import { Refusals } from '../server/src/observe/refusals.ts'
import { LogStore } from '../server/src/store/log-store.ts'
import { type Load, type Measured, measure, median, medians } from './support/measure.ts'
import { milli, Report } from './support/report.ts'
import { readOptions, startSystems } from './support/run.ts'
import { type System, startPbt } from './support/systems.ts'

/** Written in turns of the loop of this many records each, at about this many a second: ten times what the edge reaches. */
const RECORDS = 1_000_000
const RECORDS_PER_TURN = 100

/** The two systems are started at most so often: two processes of the same code differ by a few percent for as long as they live. */
const STARTS = 8

/** Short and many: what a machine does in one second says little of the next, and only neighbours are compared. */
const options = readOptions(1.5, 24)
const report = new Report('access-log', 'small requests with and without the access log')

await reportRecords()
await reportRequests()
report.save()
process.exit()

async function reportRequests(): Promise<void> {
  const rounds: Measured[][] = []
  const starts = Math.min(STARTS, options.rounds)
  const roundsEach = Math.ceil(options.rounds / starts)
  for (let start = 0; start < starts; start++) rounds.push(...(await roundsOfOneStart(start, roundsEach)))
  const of = (side: number) => rounds.flatMap(round => round.slice(side, side + 1))
  const cpu = (each: Measured) => (each.edgeSeconds / (each.perSecond * each.seconds)) * 1e6
  report.table(
    'HTTP, 64 connections',
    ['access log', 'requests/s', 'p50 ms', 'p99 ms', 'CPU edge us'],
    ['without', 'with'].map((name, side) => {
      const { perSecond, p50, p99 } = medians(of(side))
      return [name, perSecond.toFixed(0), milli(p50), milli(p99), median(of(side).map(cpu)).toFixed(1)]
    }),
  )
  const ratios = rounds
    .map(([off, on]) => (on?.perSecond ?? 0) / (off?.perSecond ?? 1))
    .sort((left, right) => left - right)
  const quartile = (part: number) => (ratios[Math.floor(part * (ratios.length - 1))] ?? 0).toFixed(3)
  report.say(
    `\nrequests/s with the log / without, median of ${ratios.length} rounds: ${median(ratios).toFixed(3)}` +
      ` (quartiles ${quartile(0.25)} and ${quartile(0.75)})`,
  )
}

/** Both systems anew; a first round, in which they are compiled, does not count. */
async function roundsOfOneStart(start: number, count: number): Promise<Measured[][]> {
  const without = async (origin: number) => ({
    ...(await startPbt(origin, undefined, [], ['--access-log-days', '0'])),
    name: 'without',
  })
  const withLog = async (origin: number) => ({ ...(await startPbt(origin)), name: 'with' })
  const isWithoutFirst = start % 2 === 0
  const { systems, stop } = await startSystems(isWithoutFirst ? [without, withLog] : [withLog, without], options)
  if (!isWithoutFirst) systems.reverse()
  const load = {
    kind: 'requests',
    isTls: false,
    connections: 64,
    warmupSeconds: 0.7,
    seconds: options.seconds,
  } as const
  const rounds: Measured[][] = []
  for (let round = 0; round <= count; round++) {
    const [off, on] = await inTurns(round, systems, load)
    if (round > 0 && off !== undefined && on !== undefined) rounds.push([off, on])
  }
  await stop()
  return rounds
}

/** Both systems one after the other, each round the other way round; the results in the order of the systems. */
async function inTurns(round: number, systems: readonly System[], load: Load): Promise<(Measured | undefined)[]> {
  const results: (Measured | undefined)[] = []
  for (let turn = 0; turn < systems.length; turn++) {
    const side = round % 2 === 0 ? turn : systems.length - 1 - turn
    const system = systems[side]
    if (system !== undefined) results[side] = await measure(system, load)
  }
  return results
}

const VISIT = {
  kind: 'http',
  tunnel: 'app',
  visitor: '203.0.113.7',
  status: 200,
  bytesIn: 100,
  bytesOut: 2_000,
  countedIn: 0,
  countedOut: 0,
  reason: '',
} as const

/** As many records as a thread can make, each turn of the loop some, and the longest that a turn took. */
async function reportRecords(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-bench-log-'))
  const store = new LogStore({ dataDir, limits: { days: 14, bytes: 500_000_000 } })
  const ignore = () => {}
  const nothing = { error: ignore, warn: ignore, info: ignore, debug: ignore, child: () => nothing }
  const refusals = new Refusals(peer => peer)
  const log = new AccessLog({ write: store.write, hasRecords: true, refusals, log: nothing })
  await store.totals() // the thread is there
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const began = performance.now()
  let spentMs = 0
  let longestMs = 0
  for (let made = 0; made < RECORDS; ) {
    const turn = performance.now()
    for (let count = 0; count < RECORDS_PER_TURN; count++, made++) {
      log.ended({ ...VISIT, summary: `GET /path/${made % 1_000}`, startedAt: turn, firstByteAt: turn + 1 })
    }
    const tookMs = performance.now() - turn
    spentMs += tookMs
    longestMs = Math.max(longestMs, tookMs)
    // No faster than the disk, so that all are written.
    do await new Promise(resolve => setImmediate(resolve))
    while (log.waitingRecords > 20_000)
  }
  await log.close()
  const seconds = (performance.now() - began) / 1_000
  delay.disable()
  const { written, dropped } = log.figures
  const bytes = statSync(join(dataDir, 'access.db')).size
  await store.close()
  rmSync(dataDir, { recursive: true })
  report.table(
    `${RECORDS} records`,
    [
      'written',
      'dropped',
      'records/s',
      'us a record, making',
      'longest turn ms',
      'loop delay p99 ms',
      'loop delay max ms',
      'bytes a record',
    ],
    [
      [
        ...[
          String(written),
          String(dropped),
          (written / seconds).toFixed(0),
          ((spentMs / RECORDS) * 1e3).toFixed(2),
          milli(longestMs),
        ],
        ...[milli(delay.percentile(99) / 1e6), milli(delay.max / 1e6), (bytes / written).toFixed(0)],
      ],
    ],
  )
}
