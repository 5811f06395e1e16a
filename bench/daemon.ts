// What tunnels cost that nobody visits: memory and processor time of the daemon with one of them, and with a hundred:
// `node bench/daemon.ts --seconds 60`. Ends with 1 when that is more than promised.
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Home, until } from '../server/test/support/daemon.ts'
import { clientEnv, startServer } from '../server/test/support/programs.ts'
import { Cleanup } from './support/cleanup.ts'
import { cpuSeconds, memoryKib } from './support/machine.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'

/** Promised: so many times the memory of one tunnel, and this part of a core. */
const MOST_MEMORY = 1.2
const MOST_CPU = 0.002
const MANY = 100
/** Until what the start has left is collected, seconds. */
const SETTLE_SECONDS = 10

const { seconds } = readOptions(60, 1)
const cleanup = new Cleanup()
const report = new Report('daemon', 'a daemon whose tunnels nobody visits')
const rows: string[][] = []
let isKept = true
try {
  const server = await startServer(cleanup)
  const sizes: number[] = []
  for (const count of [1, MANY]) {
    const home = new Home(cleanup, clientEnv(cleanup, server))
    await home.json('daemon', 'start')
    // Kinds in turns; nothing listens, which is what is looked at again and again.
    const list = Array.from({ length: count }, (_, index) => entryOf(index))
    writeFileSync(home.file, list.join(''))
    await until(
      async () =>
        [...(await home.tunnels()).values()].filter(({ urls }) => Array.isArray(urls) && urls.length > 0).length ===
        count,
      () => home.log,
    )
    await pause(SETTLE_SECONDS * 1_000)
    const before = cpuSeconds([home.pid])
    await pause(seconds * 1_000)
    const cpu = (cpuSeconds([home.pid]) - before) / seconds
    const size = memoryKib(home.pid)
    sizes.push(size)
    if (cpu > MOST_CPU) isKept = false
    rows.push([String(count), (size / 1024).toFixed(1), `${(cpu * 100).toFixed(2)} %`])
    home.kill()
  }
  const [one = 1, many = 0] = sizes
  if (many / one > MOST_MEMORY) isKept = false
  report.table(`at rest, over ${seconds} s`, ['tunnels', 'memory MiB', 'of a core'], rows)
  report.say(`\n${MANY} tunnels take ${(many / one).toFixed(2)} times the memory of one (promised: ${MOST_MEMORY}).`)
  if (isKept) report.save()
} finally {
  await cleanup.end()
}
process.exit(isKept ? 0 : 1)

function entryOf(index: number): string {
  const port = 40_000 + index
  const kind = ['http', 'tcp', 'udp'][index % 3]
  return `- ${kind}: ${port}\n  name: idle-${index}\n`
}
