// A household behind one link: eight films of 20 Mbit/s and a download that takes what is left, beside a shell and a call over
// UDP, on a line of 500 Mbit/s with 40 ms there and back. `node bench/household.ts [--seconds 300] [--quick]`.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { mega, milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'
import { pbtWith, startOrigin } from './support/systems.ts'

const LINE = { bytesPerMs: 62_500, oneWayMs: 20 }
const FILMS = 8
/** 20 Mbit/s, as the origin sends them. */
const PACED_BYTES_A_MS = 2_500
/** What a player has before it begins; it stalls when it would need more than has come. */
const PLAYER_MS = 2_000
const KEY_EVERY_MS = 100
/** A voice call: fifty datagrams a second each way. */
const CALL_EVERY_MS = 20
const CALL_BYTES = 200
/** What comes later than that is lost. */
const LOST_MS = 2_000

const options = readOptions(300, 1)
const report = new Report(
  'household',
  `${FILMS} films, a download, a shell and a call for ${options.seconds} s, 500 Mbit/s and 40 ms`,
)
const origin = await startOrigin()
const echo = createSocket('udp4')
echo.on('message', (datagram, { port, address }) => echo.send(datagram, port, address))
echo.bind(0, '127.0.0.1')
await once(echo, 'listening')
const [tcpPort, udpPort] = [0, 1].map(which => 20_000 + 6_000 * which + Math.floor(Math.random() * 6_000)) as [
  number,
  number,
]
const specs = [
  `udp:${echo.address().port},port=${udpPort}`,
  `tcp:${origin.port},port=${tcpPort}`,
  `http:${origin.port},domain=bench`,
]
const system = await pbtWith(['up', ...specs], LINE, [], [], line => line.includes(' https://'))

const end = performance.now() + options.seconds * 1_000
const isOver = () => performance.now() >= end
const [films, downloaded, keys, call] = await Promise.all([
  Promise.all(Array.from({ length: FILMS }, film)),
  download(),
  shell(),
  talk(),
])

const stalls = films.reduce((sum, { stalls }) => sum + stalls, 0)
const behind = Math.max(...films.map(({ mostBehindMs }) => mostBehindMs))
report.table(
  'What each had',
  ['who', 'what', 'seen'],
  [
    ['films', 'stalls of a player that has 2 s ahead', String(stalls)],
    ['films', 'most behind the pace', `${behind.toFixed(0)} ms`],
    ['download', 'MB/s', mega(downloaded / options.seconds)],
    ['shell', 'a key and its echo, p50 / p99 / most', spread(keys)],
    ['call', 'a datagram and its echo, p50 / p99 / most', spread(call.times)],
    ['call', 'lost', `${call.sent - call.times.length} of ${call.sent}`],
  ],
)
report.save()
await system.stop()
await origin.running.stop()
process.exit(stalls === 0 && call.sent === call.times.length ? 0 : 1)

function spread(times: readonly number[]): string {
  const sorted = [...times].sort((left, right) => left - right)
  const at = (share: number) => milli(sorted[Math.floor(share * (sorted.length - 1))] ?? 0)
  return `${at(0.5)} / ${at(0.99)} / ${at(1)} ms`
}

async function ask(path: string): Promise<Socket> {
  const socket = connectTls({
    port: system.https ?? 0,
    host: '127.0.0.1',
    servername: system.host,
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${system.host}\r\n\r\n`)
  return socket
}

/** How often and how far what came was behind what has been played. */
async function film(): Promise<{ stalls: number; mostBehindMs: number }> {
  const socket = await ask('/paced')
  let [bytes, stalls, mostBehindMs] = [0, 0, 0]
  const began = performance.now()
  socket.on('data', chunk => {
    bytes += chunk.length
  })
  const timer = setInterval(() => {
    const behindMs = performance.now() - began - bytes / PACED_BYTES_A_MS
    if (behindMs > mostBehindMs) mostBehindMs = behindMs
    if (behindMs > PLAYER_MS) stalls++
  }, 50)
  await untilOver()
  clearInterval(timer)
  socket.destroy()
  return { stalls, mostBehindMs }
}

async function download(): Promise<number> {
  const socket = await ask('/down')
  let bytes = 0
  socket.on('data', chunk => {
    bytes += chunk.length
  })
  await untilOver()
  socket.destroy()
  return bytes
}

async function shell(): Promise<number[]> {
  const socket = connect({ port: tcpPort, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write('GET /upgrade HTTP/1.1\r\n\r\n')
  await once(socket, 'data')
  const times: number[] = []
  while (!isOver()) {
    const pressed = performance.now()
    socket.write('k')
    await once(socket, 'data')
    times.push(performance.now() - pressed)
    await new Promise(resolve => setTimeout(resolve, KEY_EVERY_MS))
  }
  socket.destroy()
  return times
}

async function talk(): Promise<{ sent: number; times: number[] }> {
  const socket = createSocket('udp4')
  const began: number[] = []
  const times: number[] = []
  socket.on('message', datagram => {
    const at = began[datagram.readUInt32BE(0)]
    if (at !== undefined) times.push(performance.now() - at)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const timer = setInterval(() => {
    const datagram = Buffer.alloc(CALL_BYTES)
    datagram.writeUInt32BE(began.length)
    began.push(performance.now())
    socket.send(datagram, udpPort, '127.0.0.1')
  }, CALL_EVERY_MS)
  await untilOver()
  clearInterval(timer)
  await new Promise(resolve => setTimeout(resolve, LOST_MS))
  socket.close()
  return { sent: began.length, times }
}

function untilOver(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, end - performance.now()))
}
