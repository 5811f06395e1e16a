// The service behind everything that is measured: HTTP/1.1 by hand, so that it costs next to nothing.
//
// GET /down sends without end, POST /up reads without end, GET /upgrade switches to echo, GET /events waits for GET /wake,
// GET /paced sends 20 Mbit/s, anything else gets 200 bytes.
import { createServer, type Socket } from 'node:net'

const SMALL = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 200\r\n\r\n${'small body, '.repeat(17).slice(0, 200)}`,
)
const ENDLESS = `HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${10 ** 14}\r\n\r\n`
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n'
const EVENTS = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const EVENT = '9\r\ndata: 1\n\n\r\n'
const PIECE = Buffer.alloc(64 * 1024, 'x')

/** 20 Mbit/s. */
const PACED_BYTES_A_MS = 2_500
const PACE_MS = 10

const listeners = new Set<Socket>()

const server = createServer({ noDelay: true }, serve)
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify(server.address())}\n`)
})

function serve(socket: Socket): void {
  let isReading = false
  let isEchoing = false
  socket.on('error', () => {})
  socket.on('data', chunk => {
    if (isReading) return
    if (isEchoing) {
      socket.write(chunk)
      return
    }
    const text = chunk.toString('latin1', 0, 16)
    if (text.startsWith('GET /down')) {
      socket.write(ENDLESS)
      const go = () => {
        while (!socket.destroyed && socket.write(PIECE));
      }
      socket.on('drain', go)
      go()
    } else if (text.startsWith('POST /up')) isReading = true
    else if (text.startsWith('GET /upgrade')) {
      isEchoing = true
      socket.write(SWITCHED)
    } else if (text.startsWith('GET /paced')) pace(socket)
    else if (text.startsWith('GET /events')) {
      listeners.add(socket)
      socket.once('close', () => listeners.delete(socket))
      socket.write(EVENTS)
      socket.write(EVENT)
    } else {
      if (text.startsWith('GET /wake')) for (const listener of listeners) listener.write(EVENT)
      // One answer for each request of a pipelined lump.
      for (let at = chunk.indexOf('\r\n\r\n'); at >= 0; at = chunk.indexOf('\r\n\r\n', at + 4)) socket.write(SMALL)
    }
  })
}

/** As a film is sent, without ever being more than a little ahead of its time. */
function pace(socket: Socket): void {
  const began = performance.now()
  let sent = 0
  socket.write(ENDLESS)
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - began) * PACED_BYTES_A_MS)
    for (; sent + PIECE.length <= due; sent += PIECE.length) socket.write(PIECE)
  }, PACE_MS)
  socket.once('close', () => clearInterval(timer))
}
