// Peers that mean no good or know no better, beside the traffic that has to get through: junk bytes, and readers who hardly read.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Cleaner } from './programs.ts'
import type { Place } from './traffic.ts'

const JUNK_EVERY_MS = 100
/** A junk peer that is not sent away goes by itself. */
const STAY_MS = 1_000
const SLOW_PEERS = 5
const SLOW_READ_MS = 250
/** Far above the ids of visitors who are counted. */
const FIRST_SLOW_ID = 1_000_000_000

const TEXTS = [
  'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: app.localhost\r\nX: ',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
]

/** `random`: from 0 to 1. They stop after the test, or when the function that is returned is called. */
export function startJunk(t: Cleaner, place: Place, random: () => number): () => void {
  const sockets = new Set<Socket>()
  let slowId = FIRST_SLOW_ID
  const follow = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  const timers = [
    setInterval(() => {
      const junk = junkOf(random)
      const isLink = random() < 0.3
      const socket = follow(
        isLink
          ? connectTls({
              port: place.https,
              host: '127.0.0.1',
              servername: 'link.localhost',
              rejectUnauthorized: false,
            })
          : connect({ port: random() < 0.5 ? place.http : place.https, host: '127.0.0.1' }),
      )
      socket.resume()
      socket.write(junk)
      setTimeout(() => socket.destroy(), STAY_MS)
    }, JUNK_EVERY_MS),
    setInterval(() => {
      while (sockets.size < 4 * SLOW_PEERS && slow.size < SLOW_PEERS) begin()
      for (const socket of slow) socket.read(1_024)
    }, SLOW_READ_MS),
  ]
  const slow = new Set<Socket>()
  const begin = () => {
    const socket = follow(connect({ port: place.http, host: '127.0.0.1' }))
    slow.add(socket)
    socket.on('close', () => slow.delete(socket))
    socket.on('readable', () => {}) // reads when the timer says so
    socket.write(`GET /down/${slowId++}/${64 * 1024 * 1024}/0 HTTP/1.1\r\nHost: app.localhost\r\n\r\n`)
  }
  const stop = () => {
    for (const timer of timers) clearInterval(timer)
    for (const socket of sockets) socket.destroy()
  }
  t.after(stop)
  return stop
}

function junkOf(random: () => number): Buffer {
  const text = TEXTS[Math.floor(random() * TEXTS.length * 1.5)]
  if (text !== undefined) return Buffer.from(text, 'latin1')
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 2_000) }, () => Math.floor(random() * 256)))
}
