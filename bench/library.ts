// A library for certificates that goes wrong in every way, beside a download and small requests: hash of what came, p99 of the others.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { clientsAt } from '../server/src/api/client.ts'
import { socketDirectory } from '../server/src/api/open.ts'
import { startPebble } from '../server/test/certs/support/pebble.ts'
import { Cleanup } from './support/cleanup.ts'
import { ROOT } from './support/machine.ts'
import { type Measured, measure, median } from './support/measure.ts'
import { milli, Report, ratio } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

/** Two at once, as long as the domain is there. */
const LASTING = ['hangs', 'spins']
/** Over within a moment, and begun again as often as orders may be. */
const PASSING = ['floods', 'floods-errors', 'prints', 'exits', 'throws', 'aborts', 'asks', 'grows', 'strays', 'speaks']
/** Between two looks at what is to be begun again. */
const AGAIN_MS = 250
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
const nameOf = (behaviour: string) => `${behaviour}.mine.test`

const phases = new Map<string, { all: Measured[]; whole: number; failed: number }>()
for (let round = 0; round <= options.rounds; round++) {
  for (const [title, behaviours] of [
    ['nothing', []],
    [LASTING.join(', '), LASTING],
    [PASSING.join(', '), PASSING],
  ] as const) {
    const found = await beside(behaviours)
    if (round === 0) continue
    const { all, whole, failed } = phases.get(title) ?? { all: [], whole: 0, failed: 0 }
    phases.set(title, { all: [...all, found.measured], whole: whole + found.whole, failed: failed + found.failed })
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
async function beside(behaviours: readonly string[]) {
  for (const behaviour of behaviours) await domains.addDomain({ domain: nameOf(behaviour) })
  const over = new AbortController()
  const again = keepBroken(behaviours, over.signal)
  const whole = keepDownloading(over.signal)
  const load = { kind: 'mixed', bulk: 'down', isTls: true, connections: 4, warmupSeconds: 2 } as const
  const measured = await measure(system, { ...load, seconds: options.seconds })
  over.abort()
  const found = { whole: await whole, failed: await again }
  for (const behaviour of behaviours) await domains.removeDomain({ domain: nameOf(behaviour) })
  if (measured === undefined) throw new Error('nothing could be measured')
  return { measured, ...found }
}

/** Has each tried again as soon as it has failed; how many failed. */
async function keepBroken(behaviours: readonly string[], signal: AbortSignal): Promise<number> {
  let failed = 0
  while (!signal.aborted && behaviours.length > 0) {
    await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
    for (const { domain, problem, isBase } of (await domains.listDomains({})).domains) {
      if (problem === undefined || isBase || signal.aborted) continue
      failed += 1
      await domains.retryDomain({ domain })
    }
  }
  return failed
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
