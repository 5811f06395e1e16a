// What idleness costs: memory of server and client for each session with its tunnel, and for each held connection.
import { getRequest, type Held, heldTls, openAll, sizes, upgradeRequest, wakeAll } from './support/held.ts'
import { memoryKib } from './support/machine.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { startOrigin, startPbt } from './support/systems.ts'

const options = readOptions(0, 1)
const isQuick = options.seconds === 2
const connections = isQuick ? 200 : 2_000
const upgrades = isQuick ? 100 : 1_000
const report = new Report('idle', 'memory of what does nothing')
const origin = await startOrigin()
let system = await startPbt(origin.port)
const rows: string[][] = []

const get = getRequest(system.host, '/')
const keepAlive = () => heldTls(system, get, get)
const upgraded = () => heldTls(system, upgradeRequest(system.host), 'echo')

await note(`HTTPS keep-alive connection (${connections})`, connections, keepAlive)
// The memory that the others gave back would be taken again.
await system.stop()
system = await startPbt(origin.port)
await note(`WebSocket over HTTPS (${upgrades})`, upgrades, upgraded)
report.table('for each one held', ['what', 'server KiB', 'client KiB'], rows)
report.say(`\nserver ${memoryKib(system.edge()[0] ?? 0)} KiB, client ${memoryKib(system.client()[0] ?? 0)} KiB in all`)
report.save()
await system.stop()
await origin.running.stop()
process.exit()

async function note(what: string, count: number, open: () => Promise<Held>): Promise<void> {
  await wakeAll(await openAll(20, keepAlive))
  const before = await sizes(system)
  const all = await openAll(count, open)
  const after = await sizes(system)
  rows.push([what, ...after.map((size, index) => ((size - (before[index] ?? 0)) / count).toFixed(1))])
  const answered = await wakeAll(all)
  if (answered < count) throw new Error(`${count - answered} of ${count} that did nothing were lost`)
}
