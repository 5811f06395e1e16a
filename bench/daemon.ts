// What tunnels cost that nobody visits: memory and processor time of daemons with one of them, and with a hundred, all at once:
// `node bench/daemon.ts --seconds 60`. Ends with 1 when that is more than promised.
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Home, until } from '../server/test/support/daemon.ts'
import { clientEnv, startServer } from '../server/test/support/programs.ts'
import { Cleanup } from './support/cleanup.ts'
import { cpuSeconds, memoryKib } from './support/machine.ts'
import { median } from './support/measure.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'

/** Promised: so many times the memory of one tunnel, and this part of a core. */
const MOST_MEMORY = 1.2
const MOST_CPU = 0.002
const MANY = 100
/** Until what the start has left is collected, seconds. */
const SETTLE_SECONDS = 10

/** Of each size at once, each with a home of its own: what one collector happens to have left is not the figure. */
const DAEMONS = 3

const { seconds } = readOptions(60, 1)
const cleanup = new Cleanup()
const report = new Report('daemon', 'daemons whose tunnels nobody visits')
let isKept = true
try {
  const server = await startServer(cleanup)
  const daemons: { count: number; home: Home; sizes: number[]; cpu: number }[] = []
  for (const count of [1, MANY]) {
    for (let number = 0; number < DAEMONS; number++) {
      const home = new Home(cleanup, clientEnv(cleanup, server))
      await home.json('daemon', 'start')
      // Kinds in turns; nothing listens, which is what is looked at again and again.
      writeFileSync(
        home.file,
        Array.from({ length: count }, (_, index) => entryOf(index, `${count}-${number}`)).join(''),
      )
      await until(
        async () =>
          [...(await home.tunnels()).values()].filter(({ urls }) => Array.isArray(urls) && urls.length > 0).length ===
          count,
        () => home.log,
      )
      daemons.push({ count, home, sizes: [], cpu: 0 })
    }
  }
  await pause(SETTLE_SECONDS * 1_000)
  for (const daemon of daemons) daemon.cpu = -cpuSeconds([daemon.home.pid])
  for (let second = 0; second < seconds; second++) {
    await pause(1_000)
    for (const { home, sizes } of daemons) sizes.push(memoryKib(home.pid))
  }
  for (const daemon of daemons) daemon.cpu = (daemon.cpu + cpuSeconds([daemon.home.pid])) / seconds

  const rows = daemons.map(({ count, sizes, cpu }) => [
    String(count),
    ...[median(sizes), Math.max(...sizes)].map(kib => (kib / 1024).toFixed(1)),
    `${(cpu * 100).toFixed(2)} %`,
  ])
  const sizeOf = (of: number) => median(daemons.filter(({ count }) => count === of).map(({ sizes }) => median(sizes)))
  const times = sizeOf(MANY) / sizeOf(1)
  isKept = times <= MOST_MEMORY && daemons.every(({ cpu }) => cpu <= MOST_CPU)
  report.table(`at rest, over ${seconds} s`, ['tunnels', 'memory MiB', 'at most', 'of a core'], rows)
  report.say(`\n${MANY} tunnels take ${times.toFixed(2)} times the memory of one (promised: ${MOST_MEMORY}).`)
  if (isKept) report.save()
} finally {
  await cleanup.end()
}
process.exit(isKept ? 0 : 1)

function entryOf(index: number, daemon: string): string {
  const port = 40_000 + index
  const kind = ['http', 'tcp', 'udp'][index % 3]
  return `- ${kind}: ${port}\n  name: idle-${daemon}-${index}\n`
}
