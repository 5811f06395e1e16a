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
const connections = options.seconds === 2 ? 200 : 1_000
const report = new Report('idle', 'memory of what does nothing')
const origin = await startOrigin()
const system = await startPbt(origin.port)
const rows: string[][] = []

await note(`HTTPS keep-alive connection (${connections})`, connections, () => hold(connections, keepAlive))
report.table('for each one held', ['what', 'server KiB', 'client KiB'], rows)
report.say(`\nserver ${memoryKib(system.edge()[0] ?? 0)} KiB, client ${memoryKib(system.client()[0] ?? 0)} KiB in all`)
report.save()
await system.stop()
await origin.running.stop()
process.exit()

async function note(what: string, count: number, make: () => Promise<() => void>): Promise<void> {
  await (await hold(20, keepAlive))()
  const before = await sizes(system)
  const release = await make()
  const after = await sizes(system)
  rows.push([what, ...after.map((size, index) => ((size - (before[index] ?? 0)) / count).toFixed(1))])
  release()
}

async function sizes({ edge, client }: System): Promise<number[]> {
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  return [...edge(), ...client()].map(memoryKib)
}

async function hold(count: number, open: () => Promise<Socket>): Promise<() => void> {
  const sockets: Socket[] = []
  for (let made = 0; made < count; made += 50) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, count - made) }, open))))
  }
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

async function keepAlive(): Promise<Socket> {
  const socket = connectTls({
    port: system.https ?? 0,
    host: '127.0.0.1',
    servername: system.host,
    rejectUnauthorized: false,
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(`GET / HTTP/1.1\r\nhost: ${system.host}\r\n\r\n`)
  await once(socket, 'data')
  return socket
}
