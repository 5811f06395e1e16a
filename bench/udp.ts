// A UDP tunnel: how many datagrams come back over 12 flows at a fixed rate and as fast as it goes, and how long one takes.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { cpuSeconds } from './support/machine.ts'
import { milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith } from './support/systems.ts'

const FLOWS = 12
/** Datagrams under way in each flow; a lost one is given up after a while. */
const WINDOW = 8
const LOST_MS = 200
const WARM_UP_MS = 1_000
const PINGS = 500

const options = readOptions(4, 1)
const report = new Report('udp', `one UDP tunnel with an echo behind it, ${FLOWS} flows, loopback`)
const echo = await open()
echo.on('message', (datagram, { port, address }) => echo.send(datagram, port, address))
const system = await pbtWith(['udp', String(echo.address().port)], undefined, [])

const rows: string[][] = []
for (const size of [64, 512, 1_400]) {
  const flows = await Promise.all(Array.from({ length: FLOWS }, open))
  await flood(flows, size, WARM_UP_MS)
  const used = () => [cpuSeconds(system.edge()), cpuSeconds(system.client())] as const
  const [edge, client] = used()
  const { sent, came } = await flood(flows, size, options.seconds * 1_000)
  const [edgeAfter, clientAfter] = used()
  for (const flow of flows) flow.close()
  rows.push([
    String(size),
    (came / options.seconds).toFixed(0),
    `${((100 * (sent - came)) / sent).toFixed(2)} %`,
    ((1e6 * (edgeAfter - edge)) / came).toFixed(1),
    ((1e6 * (clientAfter - client)) / came).toFixed(1),
  ])
}
report.table(
  `round trips, ${WINDOW} datagrams under way a flow`,
  ['bytes', 'there and back a second', 'lost', 'edge µs each', 'client µs each'],
  rows,
)

const pinger = await open()
const times: number[] = []
for (let count = 0; count < PINGS; count++) times.push(await ping(pinger))
times.sort((left, right) => left - right)
const at = (share: number) => milli(times[Math.floor(share * (times.length - 1))] ?? 0)
report.table('one datagram at a time', ['p50 ms', 'p99 ms', 'most ms'], [[at(0.5), at(0.99), at(1)]])
report.save()
await system.stop()
process.exit()

async function open(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 })
  const listening = once(socket, 'listening')
  socket.bind(0, '127.0.0.1')
  await listening
  return socket
}

/** Keeps `WINDOW` datagrams under way in each flow for a while; what has not come back within `LOST_MS` is lost. */
async function flood(flows: readonly Socket[], size: number, ms: number): Promise<{ sent: number; came: number }> {
  const datagram = Buffer.alloc(size, 1)
  const end = performance.now() + ms
  let [sent, came] = [0, 0]
  const states = flows.map(flow => {
    const state = { flow, lastAt: performance.now() }
    const send = () => {
      sent++
      flow.send(datagram, system.port, '127.0.0.1')
    }
    flow.on('message', () => {
      came++
      state.lastAt = performance.now()
      if (state.lastAt < end) send()
    })
    for (let count = 0; count < WINDOW; count++) send()
    return { ...state, state, send }
  })
  const refill = setInterval(() => {
    for (const { state, send } of states) {
      if (performance.now() - state.lastAt > LOST_MS && performance.now() < end) send()
    }
  }, LOST_MS)
  await new Promise(resolve => setTimeout(resolve, ms))
  clearInterval(refill)
  await new Promise(resolve => setTimeout(resolve, LOST_MS))
  for (const flow of flows) flow.removeAllListeners('message')
  return { sent, came }
}

async function ping(socket: Socket): Promise<number> {
  const before = performance.now()
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(5_000) })
  socket.send('ping', system.port, '127.0.0.1')
  await answered
  return performance.now() - before
}
