// Ends a connection so that its peer cannot take it for a clean end.
import type { Duplex } from 'node:stream'

/** A TCP connection of Node's, or a unix socket, which has no reset. */
export interface ByteStream extends Duplex {
  resetAndDestroy(): unknown
}

/**
 * Resets the connection, now or once its end is out: while an end is on its way Node's own reset fails with EINVAL, and
 * neither this connection nor its peer ever hears of it again. A unix socket is closed.
 */
export function resetStream(stream: ByteStream): void {
  const isEnding = stream.writableEnded && !stream.writableFinished && stream.writableLength === 0
  if (isEnding && !stream.destroyed) stream.once('finish', () => setImmediate(() => reset(stream)))
  else reset(stream)
}

function reset(stream: ByteStream): void {
  try {
    stream.resetAndDestroy()
  } catch {
    stream.destroy()
  }
}
