// Thousands of connections that do nothing for minutes: what they cost both programs, and whether each still serves at the end.
import { setTimeout as pause } from 'node:timers/promises'
import { getRequest, type Held, heldTcp, heldTls, openAll, sizes, upgradeRequest, wakeAll } from './support/held.ts'
import { Report } from './support/report.ts'
import { isWanted, readOptions } from './support/run.ts'
import { type MakeSystem, pbtWith, type System, startOrigin, startRathole, startSsh } from './support/systems.ts'

const options = readOptions(180, 1)
const isQuick = options.seconds === 2
const counts = isQuick ? { tcp: 200, upgraded: 80, events: 20 } : { tcp: 5_000, upgraded: 2_000, events: 500 }
const all = counts.tcp + counts.upgraded + counts.events
const peers: readonly (readonly [name: string, make: MakeSystem])[] = [
  ['rathole', startRathole],
  ['ssh -R', startSsh],
]
const report = new Report(
  'hold',
  `${counts.tcp} TCP connections, ${counts.upgraded} WebSockets and ${counts.events} event streams, idle for ${options.seconds} s`,
)
const origin = await startOrigin()
const rows: string[][] = []
try {
  if (isWanted(options, 'pbt')) await holdPbt()
  for (const [name, make] of peers) {
    if (isQuick || !isWanted(options, name)) continue
    const system = await make(origin.port)
    if (system === undefined) continue
    await hold(`${system.name}: TCP only`, system, () => openTcp(system))
    await system.stop()
  }
} finally {
  report.table(
    'memory, and who answered on being woken',
    ['system', 'held', 'server MiB', 'client MiB', 'server KiB each', 'client KiB each', 'answered'],
    rows,
  )
  report.save()
}
await origin.running.stop()
process.exit()

async function holdPbt(): Promise<void> {
  const specs = ['up', `http:${origin.port},domain=bench`, `tcp:${origin.port}`]
  const system = await pbtWith(specs, undefined, [], [], text => text.includes(' tcp://'))
  const events = getRequest(system.host, '/events')
  await hold('pbt', system, async () => [
    ...(await openTcp({ ...system, http: system.port })),
    ...(await openAll(counts.upgraded, () => heldTls(system, upgradeRequest(system.host), 'echo'))),
    ...(await openAll(counts.events, () => heldTls(system, events, ''))),
  ])
  await system.stop()
}

function openTcp(system: System): Promise<Held[]> {
  return openAll(counts.tcp, () => heldTcp(system.http ?? 0, upgradeRequest(system.host), 'echo'))
}

async function hold(name: string, system: System, open: () => Promise<Held[]>): Promise<void> {
  await wakeAll(await openAll(50, () => heldTcp(system.http ?? 0, upgradeRequest(system.host), 'echo')))
  const before = await sizes(system)
  const held = await open()
  await pause(options.seconds * 1_000)
  const after = await sizes(system)
  const answered = await wakeAll(held, wakeEvents)
  const each = after.map((size, index) => ((size - (before[index] ?? 0)) / held.length).toFixed(1))
  const inAll = after.map(size => (size / 1024).toFixed(0))
  rows.push([name, String(held.length), ...inAll, ...each, `${answered} of ${name === 'pbt' ? all : counts.tcp}`])
}

/** The origin sends an event to all who listen. */
async function wakeEvents(): Promise<void> {
  const { socket } = await heldTcp(origin.port, getRequest('origin', '/wake'), '')
  socket.destroy()
}
