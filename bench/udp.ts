// A UDP tunnel: how many datagrams come back over 12 flows as fast as it goes, and how long they take: alone, at a fixed rate,
// and beside a download.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type Datagrams, iperf3, iperfDatagrams, LOAD_NAME, startIperfServer } from './support/iperf.ts'
import { cpuSeconds } from './support/machine.ts'
import { mega, milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

const FLOWS = 12
const SIZES = [64, 512, 1_400]
/** Where the search for the most datagrams a second begins, how often it looks, and what may be lost. */
const FIRST_RATE = 10_000
const ATTEMPTS = 7
const MOST_LOST_PERCENT = 1
/** What is late of one run is gone by then. */
const LATE_MS = 500
/** Datagrams under way in each flow; a lost one is given up after a while. */
const WINDOW = 8
const LOST_MS = 200
const WARM_UP_MS = 1_000
const PINGS = 500
/** Half of what is asked of 512 bytes. */
const STEADY_A_SECOND = 10_000
const STEADY_BYTES = 512
/** A call beside a download. */
const CALL_EVERY_MS = 20
const CALL_BYTES = 200
const TCP_PORT = 20_000 + Math.floor(Math.random() * 12_000)

const options = readOptions(4, 1)
const report = new Report('udp', `one UDP tunnel with an echo behind it, ${FLOWS} flows, loopback`)
const echo = await open()
echo.on('message', (datagram, { port, address }) => echo.send(datagram, port, address))
const origin = await startOrigin()
const system = await pbtWith(
  ['up', `udp:${echo.address().port}`, `tcp:${origin.port},port=${TCP_PORT}`],
  undefined,
  [],
  [],
  line => line.includes(' udp://'),
)

report.say(`\nAs fast as it goes: ${LOAD_NAME}. Times: load in Node.`)
if (iperf3 === undefined) await roundTrips()
else await oneWay()

const pinger = await open()
const alone: number[] = []
for (let count = 0; count < PINGS; count++) alone.push(await ping(pinger))
const steady = await paced(FLOWS, STEADY_BYTES, STEADY_A_SECOND, options.seconds * 1_000)
const download = connect({ port: TCP_PORT, host: '127.0.0.1' })
download.write('GET /down HTTP/1.1\r\n\r\n')
let downloaded = 0
download.on('data', chunk => {
  downloaded += chunk.length
})
await once(download, 'data')
const call = await paced(1, CALL_BYTES, 1_000 / CALL_EVERY_MS, options.seconds * 1_000)
download.destroy()
const beside = `${CALL_BYTES} bytes every ${CALL_EVERY_MS} ms beside a download of ${mega(downloaded / options.seconds)} MB/s`
report.table(
  'how long one takes, there and back',
  ['what', 'p50 ms', 'p99 ms', 'most ms', 'lost'],
  [
    ['one at a time', ...spread(alone), '0'],
    [`${STEADY_A_SECOND} a second of ${STEADY_BYTES} bytes`, ...spread(steady.times), lossOf(steady)],
    [beside, ...spread(call.times), lossOf(call)],
  ],
)
report.save()
await system.stop()
await origin.running.stop()
process.exit()

/** The most datagrams a second, one way, of which less than MOST_LOST_PERCENT are lost, with iperf3. */
async function oneWay(): Promise<void> {
  const iperf = await startIperfServer()
  const number = 20_000 + Math.floor(Math.random() * 12_000)
  // iperf3 agrees over TCP what it sends over UDP, to the same number.
  const specs = [`tcp:${iperf.port},port=${number}`, `udp:${iperf.port},port=${number},reply-factor=off`]
  const tunnel = await pbtWith(['up', ...specs], undefined, [], [], line => line.includes(' udp://'))
  const rows: string[][] = []
  for (const kind of ['up', 'down'] as const) {
    for (const size of SIZES) {
      let best: Datagrams | undefined
      let [most, step, hasFailed] = [0, FIRST_RATE, false]
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const perSecond = most + step
        const load = { kind, size, perSecond, flows: FLOWS, seconds: options.seconds / 2 }
        const measured = await iperfDatagrams(tunnel, number, load)
        await pause(LATE_MS)
        // What was not sent at the rate that was asked for says nothing about it.
        const isGood = measured.lostPercent < MOST_LOST_PERCENT && measured.perSecond > 0.9 * perSecond
        if (isGood) {
          best = measured
          most = perSecond
        }
        hasFailed ||= !isGood
        step = hasFailed ? step / 2 : step * 2
      }
      rows.push([
        kind,
        String(size),
        best === undefined ? `less than ${Math.round(2 * step)}` : best.perSecond.toFixed(0),
        best === undefined ? '-' : `${best.lostPercent.toFixed(2)} %`,
        best === undefined ? '-' : best.edgeMicros.toFixed(1),
        best === undefined ? '-' : best.clientMicros.toFixed(1),
      ])
    }
  }
  report.table(
    `one way, the most with less than ${MOST_LOST_PERCENT} % lost`,
    ['way', 'bytes', 'a second', 'lost', 'edge µs each', 'client µs each'],
    rows,
  )
  await tunnel.stop()
  await iperf.running.stop()
}

/** What comes back of datagrams that go as fast as it goes, with a load in Node. */
async function roundTrips(): Promise<void> {
  const rows: string[][] = []
  for (const size of SIZES) {
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
}

function spread(times: readonly number[]): string[] {
  const sorted = [...times].sort((left, right) => left - right)
  return [0.5, 0.99, 1].map(share => milli(sorted[Math.floor(share * (sorted.length - 1))] ?? 0))
}

function lossOf({ sent, times }: { readonly sent: number; readonly times: readonly number[] }): string {
  return `${sent - times.length} of ${sent}`
}

/** Datagrams at a fixed rate over some flows; each carries its number. */
async function paced(count: number, size: number, aSecond: number, ms: number) {
  const flows = await Promise.all(Array.from({ length: count }, open))
  const began: number[] = []
  const times: number[] = []
  for (const flow of flows) {
    flow.on('message', datagram => times.push(performance.now() - (began[datagram.readUInt32BE(0)] ?? 0)))
  }
  const start = performance.now()
  for (let now = start; now < start + ms; now = performance.now()) {
    for (const due = ((now - start) / 1_000) * aSecond; began.length < due; ) {
      const datagram = Buffer.alloc(size)
      datagram.writeUInt32BE(began.length)
      flows[began.length % count]?.send(datagram, system.port, '127.0.0.1')
      began.push(performance.now())
    }
    await pause(1)
  }
  await pause(LOST_MS)
  for (const flow of flows) flow.close()
  return { sent: began.length, times }
}

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
