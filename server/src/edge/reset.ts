// Ends a connection: so that its peer cannot take it for a clean end, or with last words that the peer will see.
import type { Socket } from 'node:net'
import { resetStream } from '@pbt/proto'

/** After the last words the peer has this long to close its side; what it still sends is thrown away. */
const LINGER_MS = 10_000

/** With RST where the system has it; on TLS the missing close_notify tells (RFC 8446 section 6.1). */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  if ('encrypted' in socket) socket.destroy()
  else resetStream(socket)
}

/** Sends the last words and ends; a peer that does not close its side is cut in the end (RFC 9112 section 9.6). */
export function endSocket(socket: Socket, lastWords: Buffer): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.end(lastWords)
  socket.resume()
}
