// What idleness costs: memory of server and client for each held connection, beside a bare Node TLS server.
import { getRequest, type Held, heldTls, openAll, sizes, upgradeRequest, wakeAll } from './support/held.ts'
import { memoryKib } from './support/machine.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { type System, startBare, startOrigin, startPbt } from './support/systems.ts'

const options = readOptions(0, 1)
const isQuick = options.seconds === 2
const connections = isQuick ? 200 : 2_000
const upgrades = isQuick ? 100 : 1_000
const report = new Report('idle', 'memory of what does nothing')
const origin = await startOrigin()
const rows: string[][] = []

const keepAlive = (system: System) => {
  const get = getRequest(system.host, '/')
  return () => heldTls(system, get, get)
}
const upgraded = (system: System) => () => heldTls(system, upgradeRequest(system.host), 'echo')

// A program of its own for each: the memory that others gave back would be taken again.
const pbt = await startPbt(origin.port)
await note(pbt, `HTTPS keep-alive connection (${connections})`, connections, keepAlive(pbt))
await pbt.stop()
const pbtAgain = await startPbt(origin.port)
await note(pbtAgain, `WebSocket over HTTPS (${upgrades})`, upgrades, upgraded(pbtAgain))
const inAll = [pbtAgain.edge()[0] ?? 0, pbtAgain.client()[0] ?? 0].map(memoryKib)
await pbtAgain.stop()
const bare = await startBare(origin.port)
if (bare !== undefined) {
  await note(bare, `${bare.name}: HTTPS keep-alive connection (${connections})`, connections, keepAlive(bare))
  await bare.stop()
}
report.table('for each one held', ['what', 'server KiB', 'client KiB'], rows)
report.say(`\nserver ${inAll[0]} KiB, client ${inAll[1]} KiB in all`)
report.save()
await origin.running.stop()
process.exit()

async function note(system: System, what: string, count: number, open: () => Promise<Held>): Promise<void> {
  await wakeAll(await openAll(20, keepAlive(system)))
  const before = await sizes(system)
  const all = await openAll(count, open)
  const after = await sizes(system)
  const each = after.map((size, index) => ((size - (before[index] ?? 0)) / count).toFixed(1))
  rows.push([what, ...(system.client().length === 0 ? each.slice(0, 1).concat('-') : each)])
  const answered = await wakeAll(all)
  if (answered < count) throw new Error(`${count - answered} of ${count} that did nothing were lost`)
}
