// A library for certificates that goes wrong in every way, beside a download and small requests: hash of what came, p99 of the others.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { clientsAt } from '../server/src/api/client.ts'
import { socketDirectory } from '../server/src/api/open.ts'
import { startPebble } from '../server/test/certs/support/pebble.ts'
import { Cleanup } from './support/cleanup.ts'
import { ROOT } from './support/machine.ts'
import { type Measured, measure, median } from './support/measure.ts'
import { milli, Report, ratio } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

/** What goes wrong in a row, and how often it is begun. */
interface Row {
  readonly title: string
  readonly behaviours: readonly string[]
  /** By hand, as soon as it has failed; else when the scheduler does it: in a minute, ten, a hundred, then daily. */
  readonly isTriedAgain: boolean
}

/** Two orders at once, and ten in ten seconds, are the most that the scheduler makes: no row could begin more. */
const ROWS: readonly Row[] = [
  { title: 'nothing', behaviours: [], isTriedAgain: false },
  ...['exits', 'prints', 'floods', 'hangs', 'spins'].map(kind => ({
    ...{ title: `${kind}, for two domains at once`, behaviours: [kind, kind], isTriedAgain: false },
  })),
  {
    title: 'harder: ten kinds, each tried again by hand as soon as it has failed',
    behaviours: ['floods', 'floods-errors', 'prints', 'exits', 'throws', 'aborts', 'asks', 'grows', 'strays', 'speaks'],
    isTriedAgain: true,
  },
]
/** Between two looks at what has failed. */
const LOOK_MS = 1_000
const WARMUP_SECONDS = 2
/** It goes wrong when the load is measured already: what exits is over in a moment. */
const BEGIN_MS = WARMUP_SECONDS * 1_000 + 1_000
const FILE = randomBytes(64 * 1024 * 1024)
const FILE_HASH = hashOf(FILE)

const options = readOptions(5, 3)
const report = new Report('library', 'a library that goes wrong, beside a download and small requests')
const cleanup = new Cleanup()
const origin = await startOrigin()
const files = createServer((_request, response) => response.end(FILE)).listen(0, '127.0.0.1')
await once(files, 'listening')
const { port } = files.address() as AddressInfo
const pebble = await startPebble(cleanup)
const serverArgs = ['--acme-directory', pebble.directory, '--acme-ca', pebble.caFile]
serverArgs.push('--dns-resolver', pebble.dnsServer, '--public-address', '127.0.0.1')
const flags = [`--import=${join(ROOT, 'bench/support/broken-runner.mjs')}`]
const tunnels = ['up', `http:${origin.port},domain=bench`, `http:${port},domain=files`]
const fits = (line: string) => line.includes('bench.localhost')
const system = await pbtWith(tunnels, undefined, flags, serverArgs, fits)
const [pid = 0] = system.edge()
const { domains } = clientsAt(join(socketDirectory(system.dataDir), `${pid}.sock`))
let named = 0

const phases = new Map<string, { all: Measured[]; whole: number; failed: number }>()
for (let round = 0; round <= options.rounds; round++) {
  for (const row of ROWS) {
    const found = await beside(row)
    if (round === 0) continue
    const { all, whole, failed } = phases.get(row.title) ?? { all: [], whole: 0, failed: 0 }
    phases.set(row.title, { all: [...all, found.measured], whole: whole + found.whole, failed: failed + found.failed })
  }
}

const p99 = (title: string) => median(phases.get(title)?.all.map(each => each.p99) ?? [])
report.table(
  'HTTPS: four visitors with small requests, one saturating download, one download of 64 MiB after the other',
  ['library', 'p50 ms', 'p99 ms', 'p99 is … of nothing', 'downloads whole', 'orders that failed'],
  [...phases].map(([title, { all, whole, failed }]) => [
    title,
    milli(median(all.map(each => each.p50))),
    milli(p99(title)),
    ratio(p99(title), p99('nothing')),
    String(whole),
    String(failed),
  ]),
)
report.save()
await system.stop()
await origin.running.stop()
await cleanup.end()
process.exit()

/** Measures while these go wrong. Throws when a download is not what it should be. */
async function beside(row: Row) {
  const over = new AbortController()
  const broken = keepBroken(row, over.signal)
  const whole = keepDownloading(over.signal)
  const load = { kind: 'mixed', bulk: 'down', isTls: true, connections: 4, warmupSeconds: WARMUP_SECONDS } as const
  const measured = await measure(system, { ...load, seconds: options.seconds })
  over.abort()
  const found = { whole: await whole, failed: await broken }
  if (measured === undefined) throw new Error('nothing could be measured')
  return { measured, ...found }
}

/** Has the library go wrong until the end; how many orders failed. */
async function keepBroken({ behaviours, isTriedAgain }: Row, signal: AbortSignal): Promise<number> {
  const names = new Set<string>()
  const begin = async () => {
    for (const behaviour of behaviours) {
      named += 1
      const domain = `${behaviour}.n${named}.mine.test`
      names.add(domain)
      await domains.addDomain({ domain })
    }
  }
  const failed = new Set<string>()
  const look = async () => {
    for (const { domain, problem } of (await domains.listDomains({})).domains) {
      const failure = `${domain} ${problem?.time?.seconds}.${problem?.time?.nanos}`
      if (!names.has(domain) || problem === undefined || failed.has(failure)) continue
      failed.add(failure)
      if (isTriedAgain && !signal.aborted) await domains.retryDomain({ domain })
    }
  }
  await wait(BEGIN_MS, undefined, { signal }).catch(() => {})
  await begin()
  while (!signal.aborted) {
    await wait(LOOK_MS, undefined, { signal }).catch(() => {})
    if (isTriedAgain) await look()
  }
  await look()
  for (const domain of names) await domains.removeDomain({ domain })
  return failed.size
}

/** How many came; throws when one is not what was sent. */
async function keepDownloading(signal: AbortSignal): Promise<number> {
  let whole = 0
  for (; !signal.aborted; whole += 1) {
    const hash = createHash('sha256')
    const where = { host: '127.0.0.1', port: system.https, servername: 'files.localhost', rejectUnauthorized: false }
    const asked = get({ ...where, headers: { host: `files.localhost:${system.https}` }, agent: false })
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    for await (const chunk of answer) hash.update(chunk)
    const found = hash.digest('hex')
    if (found !== FILE_HASH)
      throw new Error(`a download has the hash ${found}, not ${FILE_HASH} (${answer.statusCode})`)
  }
  return whole
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
