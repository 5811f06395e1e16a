// Streams to peers that do not read: nothing is held for them, and after a while they are cut.
import type { Clock } from '@pbt/proto'

/** How long a message may wait until the connection takes it, milliseconds. */
const STUCK_MS = 60_000

/** The same messages; `cut` is called when one is not taken in time, and ends the call. */
export async function* cutWhenStuck<T>(messages: AsyncIterable<T>, cut: () => void, clock: Clock): AsyncGenerator<T> {
  for await (const message of messages) {
    const timer = clock.after(STUCK_MS, cut)
    try {
      // Resumed when the connection has taken it and asks for the next one.
      yield message
    } finally {
      timer.clear()
    }
  }
}
