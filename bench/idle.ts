// What idleness costs: memory of server and client for each session with its tunnel, and for each held connection.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { memoryKib } from './support/machine.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { type System, startOrigin, startPbt } from './support/systems.ts'

/** Time for collections to give back what starting took. */
const SETTLE_MS = 4_000

const options = readOptions(0, 1)
const isQuick = options.seconds === 2
const connections = isQuick ? 200 : 2_000
const upgrades = isQuick ? 100 : 1_000
const report = new Report('idle', 'memory of what does nothing')
const origin = await startOrigin()
let system = await startPbt(origin.port)
const rows: string[][] = []

await note(`HTTPS keep-alive connection (${connections})`, connections, () => hold(connections, keepAlive))
// The memory that the others gave back would be taken again.
await system.stop()
system = await startPbt(origin.port)
await note(`WebSocket over HTTPS (${upgrades})`, upgrades, () => hold(upgrades, upgraded))
report.table('for each one held', ['what', 'server KiB', 'client KiB'], rows)
report.say(`\nserver ${memoryKib(system.edge()[0] ?? 0)} KiB, client ${memoryKib(system.client()[0] ?? 0)} KiB in all`)
report.save()
await system.stop()
await origin.running.stop()
process.exit()

/** `make` returns what is asked of all at the end, and closes them. */
async function note(what: string, count: number, make: () => Promise<() => Promise<void>>): Promise<void> {
  await (await hold(20, keepAlive))()
  const before = await sizes(system)
  const release = await make()
  const after = await sizes(system)
  rows.push([what, ...after.map((size, index) => ((size - (before[index] ?? 0)) / count).toFixed(1))])
  await release()
}

async function sizes({ edge, client }: System): Promise<number[]> {
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  return [...edge(), ...client()].map(memoryKib)
}

/** An open connection, and how to see that it still serves. */
interface Held {
  readonly socket: Socket
  readonly request: string
}

/** All of them at once, and what releases them: each has to answer once more before. */
async function hold(count: number, open: () => Promise<Held>): Promise<() => Promise<void>> {
  const all: Held[] = []
  for (let made = 0; made < count; made += 50) {
    all.push(...(await Promise.all(Array.from({ length: Math.min(50, count - made) }, open))))
  }
  return async () => {
    await Promise.all(
      all.map(async ({ socket, request }) => {
        if (socket.destroyed) throw new Error('a connection that did nothing was closed')
        socket.write(request)
        await once(socket, 'data')
        socket.destroy()
      }),
    )
  }
}

async function connected(request: string): Promise<Socket> {
  const socket = connectTls({
    port: system.https ?? 0,
    host: '127.0.0.1',
    servername: system.host,
    rejectUnauthorized: false,
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(request)
  await once(socket, 'data')
  return socket
}

async function keepAlive(): Promise<Held> {
  const request = `GET / HTTP/1.1\r\nhost: ${system.host}\r\n\r\n`
  return { socket: await connected(request), request }
}

async function upgraded(): Promise<Held> {
  const request = `GET /upgrade HTTP/1.1\r\nhost: ${system.host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`
  return { socket: await connected(request), request: 'echo' }
}
