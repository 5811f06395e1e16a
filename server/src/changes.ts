// Notices what commands of pbt-server change in the database while the server runs.
import type { Clock, Timer } from '@pbt/proto'

/** How often it looks: what the owner changes has to be in force within a second. */
const LOOK_MS = 300

export interface ChangesOptions {
  /** Another number after each change. */
  readonly version: () => Promise<number>
  /** Reads everything that can have changed. */
  readonly changed: () => Promise<void>
  /** A look, or `changed`, failed; the next look tries again. Not called again before one has succeeded. */
  readonly onError: (error: unknown) => void
  readonly clock: Clock
}

/** Calls `changed` at once, and then after each change until `end`, never twice at a time. Rejects when the first time fails. */
export async function watchChanges(options: ChangesOptions): Promise<{ end(): Promise<void> }> {
  const { version, changed, onError, clock } = options
  let known = await version()
  await changed()
  let isOver = false
  let isFailing = false
  let looking = Promise.resolve()
  let timer: Timer
  const look = async () => {
    try {
      const now = await version()
      if (now !== known) await changed()
      known = now
      isFailing = false
    } catch (error) {
      if (!isFailing) onError(error)
      isFailing = true
    }
  }
  const again = () => {
    timer = clock.after(LOOK_MS, () => {
      looking = look().then(() => {
        if (!isOver) again()
      })
    })
  }
  again()
  return {
    end: async () => {
      isOver = true
      timer.clear()
      await looking
    },
  }
}
