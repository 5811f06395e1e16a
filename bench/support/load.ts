// The load generator: raw sockets, a closed loop, pre-built requests. Reads its job from argv, prints one line of JSON.
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Job {
  readonly kind: 'requests' | 'handshakes' | 'down' | 'up' | 'mixed'
  readonly port: number
  readonly host: string
  readonly isTls: boolean
  readonly connections: number
  readonly warmupSeconds: number
  readonly seconds: number
  /** The direction of the bulk beside the requests. */
  readonly bulk?: 'down' | 'up'
}

export interface Result {
  /** Small answers a second, or connections a second. */
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Bulk in bytes a second. */
  readonly bytesPerSecond: number
}

const BODY_BYTES = 200
const PIECE = Buffer.alloc(64 * 1024, 'x')

const job = JSON.parse(process.argv[2] ?? '{}') as Job
const times: number[] = []
let isMeasuring = false
let bulkBytes = 0

switch (job.kind) {
  case 'requests':
    for (let count = 0; count < job.connections; count++) void small()
    break
  case 'handshakes':
    for (let count = 0; count < job.connections; count++) handshake()
    break
  case 'down':
    void down()
    break
  case 'up':
    void up()
    break
  case 'mixed':
    void (job.bulk === 'up' ? up() : down())
    for (let count = 0; count < job.connections; count++) void small(5)
}

setTimeout(() => {
  isMeasuring = true
  setTimeout(report, job.seconds * 1000)
}, job.warmupSeconds * 1000)

function report(): void {
  times.sort((left, right) => left - right)
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0
  const result: Result = {
    perSecond: times.length / job.seconds,
    p50: at(0.5),
    p99: at(0.99),
    bytesPerSecond: bulkBytes / job.seconds,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit())
}

function open(ready: (socket: Socket) => void): void {
  const socket = job.isTls
    ? connectTls({ port: job.port, host: '127.0.0.1', servername: job.host, rejectUnauthorized: false })
    : connectTcp({ port: job.port, host: '127.0.0.1' })
  socket.setNoDelay(true)
  socket.on('error', fail)
  socket.once(job.isTls ? 'secureConnect' : 'connect', () => ready(socket))
}

function fail(error: Error): void {
  process.stderr.write(`load: ${error.message}\n`)
  process.exit(1)
}

/** Asks again when the answer is whole, after a pause if one is given. */
function small(pauseMs = 0): void {
  const request = Buffer.from(
    `GET /small HTTP/1.1\r\nhost: ${job.host}\r\nuser-agent: bench/1\r\naccept: */*\r\naccept-encoding: gzip, br\r\n\r\n`,
  )
  open(socket => {
    let began = 0
    let left = -1
    const ask = () => {
      began = performance.now()
      left = -1
      socket.write(request)
    }
    socket.on('data', chunk => {
      if (left < 0) {
        const end = chunk.indexOf('\r\n\r\n')
        if (end < 0) return
        left = BODY_BYTES - (chunk.length - end - 4)
        // A chunked answer has no length to count by; its last chunk tells.
        if (chunk.includes('chunked')) left = chunk.includes('\r\n0\r\n\r\n') ? 0 : 1
      } else left -= chunk.length
      if (left > 0) return
      if (isMeasuring) times.push(performance.now() - began)
      if (pauseMs > 0) setTimeout(ask, pauseMs)
      else ask()
    })
    ask()
  })
}

/** Connects, asks once, and begins again; no session is resumed. */
function handshake(): void {
  const began = performance.now()
  open(socket => {
    socket.write(`GET /small HTTP/1.1\r\nhost: ${job.host}\r\nconnection: close\r\n\r\n`)
    socket.once('data', () => {
      if (isMeasuring) times.push(performance.now() - began)
      socket.removeListener('error', fail)
      socket.on('error', () => {})
      socket.destroy()
      handshake()
    })
  })
}

function down(): void {
  open(socket => {
    socket.write(`GET /down HTTP/1.1\r\nhost: ${job.host}\r\n\r\n`)
    socket.on('data', chunk => {
      if (isMeasuring) bulkBytes += chunk.length
    })
  })
}

/** Counts what has left this process. */
function up(): void {
  open(socket => {
    socket.write(`POST /up HTTP/1.1\r\nhost: ${job.host}\r\ncontent-length: ${10 ** 14}\r\n\r\n`)
    const go = () => {
      while (socket.write(PIECE, wrote));
    }
    socket.on('drain', go)
    go()
  })
}

function wrote(): void {
  if (isMeasuring) bulkBytes += PIECE.length
}
