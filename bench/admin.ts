// What looking costs: pages of a log of a million records and figures of 200 tunnels over the API, and what visitors notice while
// somebody searches the log all the time and finds nothing. `node bench/admin.ts [--seconds N] [--rounds N] [--quick]`.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type ApiClients, clientsAt } from '../server/src/api/client.ts'
import { socketDirectory } from '../server/src/api/open.ts'
import { fillLog, namesOf, RECORDS } from './support/log-fill.ts'
import { freePort } from './support/machine.ts'
import { type Load, type Measured, measure, median, medians } from './support/measure.ts'
import { milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

const TUNNELS = 200
const WATCHERS = 100
const DAY_MS = 86_400_000
/** How often each question is asked. */
const ASKS = 30
/** What a page may take at most, milliseconds. */
const PAGE_MS = 150
/** In no record. */
const HOPELESS = 'nowhere-to-be-found'

/** Those of a round: the control is the first one again, and tells how much the machine differs from itself. */
const SIDES = ['without', 'beside a search', 'without, again', `beside ${WATCHERS} watchers`] as const
/** What requests a second have to be beside them, as a part of those without. */
const LEAST = { search: 0.95, watchers: 0.98 }

const options = readOptions(1.5, 24)
const report = new Report(
  'admin',
  `the log of ${RECORDS} records and ${TUNNELS} tunnels over the API, and visitors beside it`,
)
const names = namesOf(TUNNELS)

const origin = await startOrigin()
const metricsPort = await freePort()
const system = await pbtWith(
  ['up', ...names.map(name => `http:${origin.port},domain=${name}`)],
  undefined,
  [],
  ['--access-log-megabytes', '2000', '--metrics-port', String(metricsPort)],
  line => line.includes(`//${names.at(-1)}.`),
  dataDir => fillLog(dataDir, names),
)
const api = clientsAt(socketIn(system.dataDir))

const longest = await reportPages()
await reportFigures()
const { search, watchers } = await reportTraffic()
await reportLosses()
report.save()
await system.stop()
await origin.running.stop()
process.exit(longest < PAGE_MS && search >= LEAST.search && watchers >= LEAST.watchers ? 0 : 1)

function socketIn(dataDir: string): string {
  const directory = socketDirectory(dataDir)
  const [name = ''] = readdirSync(directory).filter(name => name.endsWith('.sock'))
  return join(directory, name)
}

async function timed<T>(ask: () => Promise<T>): Promise<[T, number]> {
  const began = performance.now()
  const answer = await ask()
  return [answer, performance.now() - began]
}

/** Returns how long the longest page took. */
async function reportPages(): Promise<number> {
  const searches: [string, Parameters<ApiClients['log']['listRecords']>[0]][] = [
    ['the latest 100', {}],
    ['the latest 1,000', { pageSize: 1_000 }],
    ['of one tunnel', { filter: { tunnel: 'bench' } }],
    ['5xx of one tunnel', { filter: { tunnel: 't50', statuses: [5] } }],
    ['from a block of addresses', { filter: { peer: '203.0.113.0/24' } }],
    ['a text that one record of a million has', { filter: { text: 'the-only-one' } }],
    ['of an hour a week ago', { startTime: before(7 * DAY_MS), endTime: before(7 * DAY_MS - 3_600_000) }],
    ['a text that none has', { filter: { text: HOPELESS } }],
    ['an address that none has, by record', { filter: { peer: '198.51.100.0/24' } }],
  ]
  const rows: string[][] = []
  let longestMs = 0
  for (const [what, request] of searches) {
    const times: number[] = []
    let [pages, records, wholeMs] = [0, 0, 0]
    for (let ask = 0; ask < ASKS; ask++) {
      // To its end once; its first page again and again.
      let pageToken = ''
      do {
        const [page, tookMs] = await timed(() => api.log.listRecords({ ...request, pageToken }))
        times.push(tookMs)
        pageToken = page.nextPageToken
        if (ask > 0) break
        pages++
        records += page.records.length
        wholeMs += tookMs
      } while (pageToken !== '' && pages < 200)
    }
    const most = times.sort((one, other) => one - other)[Math.floor(times.length * 0.95)] ?? 0
    longestMs = Math.max(longestMs, times.at(-1) ?? 0)
    const figures = [median(times), most, times.at(-1) ?? 0].map(milli)
    rows.push([what, String(pages), String(records), wholeMs.toFixed(0), ...figures])
  }
  report.table(
    'Searches',
    ['what', 'pages (at most 200)', 'records', 'all pages ms', 'a page, median ms', '19 of 20 ms', 'the longest ms'],
    rows,
  )
  return longestMs
}

function before(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor((Date.now() - ms) / 1_000)), nanos: 0 }
}

async function reportFigures(): Promise<void> {
  const questions: [string, () => Promise<unknown>][] = [
    ['totals of a day, by tunnel', () => api.metrics.getTotals({})],
    ['totals of 30 days, by tunnel', () => api.metrics.getTotals({ startTime: before(30 * DAY_MS) })],
    ['a series of three hours', () => api.metrics.getSeries({ startTime: before(DAY_MS / 8) })],
    ['a series of a day', () => api.metrics.getSeries({})],
    ['a series of a year, one tunnel', () => api.metrics.getSeries({ tunnel: 't50', startTime: before(365 * DAY_MS) })],
    ['refusals', () => api.log.listRefusals({})],
    ['addresses', () => api.addresses.listAddresses({})],
  ]
  const rows: string[][] = []
  for (const [what, ask] of questions) {
    const times: number[] = []
    for (let count = 0; count < ASKS; count++) times.push((await timed(ask))[1])
    rows.push([what, milli(median(times)), milli(Math.max(...times))])
  }
  report.table('Other questions', ['what', 'median ms', 'the longest ms'], rows)
}

/** Rounds of all sides, each beginning with another. Returns the ratios of requests a second beside a search, and watchers, and without. */
async function reportTraffic(): Promise<{ readonly search: number; readonly watchers: number }> {
  const load: Load = { kind: 'requests', isTls: false, connections: 64, warmupSeconds: 0.7, seconds: options.seconds }
  const rounds: Measured[][] = []
  const pages: number[] = []
  for (let round = 0; round <= options.rounds; round++) {
    const sides: Measured[] = []
    for (let turn = 0; turn < SIDES.length; turn++) {
      const side = (round + turn) % SIDES.length
      const end = new AbortController()
      const looking =
        side === 1 ? searchAllTheTime(end.signal, pages) : side === 3 ? watch(end.signal) : Promise.resolve()
      const measured = await measure(system, load)
      end.abort()
      await looking
      if (measured !== undefined) sides[side] = measured
    }
    // The first round does not count: what is compiled while it runs is compiled by then.
    if (round > 0) rounds.push(sides)
  }
  report.table(
    'HTTP, 64 connections',
    ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU-seconds a second, server'],
    SIDES.map((name, side) => {
      const of = rounds.flatMap(round => round.slice(side, side + 1))
      const { perSecond, p50, p99 } = medians(of)
      const used = median(of.map(each => each.edgeSeconds / each.seconds)).toFixed(2)
      return [name, perSecond.toFixed(0), milli(p50), milli(p99), used]
    }),
  )
  sayRatio(SIDES[2], ratiosOf(rounds, 2))
  const beside = ratiosOf(rounds, 1)
  sayRatio(SIDES[1], beside)
  report.say(`\nits ${pages.length} pages took ${milli(median(pages))} ms, the longest ${milli(Math.max(0, ...pages))}`)
  const watched = ratiosOf(rounds, 3)
  sayRatio(SIDES[3], watched)
  return { search: median(beside), watchers: median(watched) }
}

/** Readers of all events, until the end. */
async function watch(end: AbortSignal): Promise<void> {
  const readers = Array.from({ length: WATCHERS }, async () => {
    try {
      for await (const _event of api.server.watch({}, { signal: end, timeoutMs: 0 }));
    } catch (error) {
      if (!end.aborted) throw error
    }
  })
  await Promise.all(readers)
}

/** To the sides without anything of the same round, by which the noise of one counts half; the smallest first. */
function ratiosOf(rounds: readonly Measured[][], side: number): number[] {
  const ratios = rounds.map(round => {
    const without = [0, 2].filter(other => other !== side).map(other => round[other]?.perSecond ?? 1)
    return (round[side]?.perSecond ?? 0) / (without.reduce((sum, each) => sum + each, 0) / without.length)
  })
  return ratios.sort((one, other) => one - other)
}

function sayRatio(what: string, ratios: readonly number[]): void {
  const quartile = (part: number) => (ratios[Math.floor(part * (ratios.length - 1))] ?? 0).toFixed(3)
  report.say(
    `\nrequests/s ${what} / without, median of ${ratios.length} rounds: ${median(ratios).toFixed(3)}` +
      ` (quartiles ${quartile(0.25)} and ${quartile(0.75)})`,
  )
}

async function searchAllTheTime(end: AbortSignal, pages: number[]): Promise<void> {
  let pageToken = ''
  while (!end.aborted) {
    const [page, tookMs] = await timed(() => api.log.listRecords({ filter: { text: HOPELESS }, pageToken }))
    pages.push(tookMs)
    pageToken = page.nextPageToken
    if (page.records.length > 0) throw new Error('something was found')
  }
}

async function reportLosses(): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const of = (name: string) => /^\S+ (\d+)/.exec(text.slice(text.search(new RegExp(`^${name}`, 'm'))))?.[1] ?? '?'
  const journal = statSync(join(system.dataDir, 'access.db-wal')).size
  report.say(
    `\nrecords written meanwhile: ${of('pbt_access_log_records')}, dropped: ${of('pbt_access_log_dropped')};` +
      ` the journal has ${(journal / 1e6).toFixed(1)} MB`,
  )
}
