// Closing a listener without resetting visitors who have connected and were not taken yet.
import type { Server } from 'node:net'

/** Turns of the loop that a listener which is never quiet is waited for. */
const MAX_TURNS = 10_000

/**
 * Closes the listener after a turn of the loop without a new connection: then none waits in its backlog, which the kernel would reset.
 * (One connection is taken in a turn.)
 */
export function closeQuietly(server: Server): void {
  let hasCome = false
  let turns = 0
  const came = () => {
    hasCome = true
  }
  const look = () => {
    if (!server.listening) return
    if (hasCome && ++turns < MAX_TURNS) {
      hasCome = false
      setImmediate(look)
      return
    }
    server.off('connection', came)
    server.close()
  }
  server.on('connection', came)
  // The first turn is whole only from here on.
  setImmediate(() => setImmediate(look))
}
