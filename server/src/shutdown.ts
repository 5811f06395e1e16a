// The order in which a server stops, so that visitors keep what they have as long as can be.
import type { Clock } from '@pbt/proto'
import type { Edge } from './edge/edge.ts'
import type { PortListeners } from './edge/ports/ports.ts'
import type { Succession } from './process/successor.ts'
import type { LinkService } from './relay/service.ts'
import type { Sessions } from './relay/sessions.ts'

/** How often a stopping server looks whether everything in flight has ended, milliseconds. */
const DRAIN_LOOK_MS = 50

/** How long a link may take to deliver its last frames, milliseconds; then its connection is cut. */
const LAST_WORDS_MS = 1_500

/** What is kept of the time to drain for visitors who came while it ran: connections end after a request or two. */
const LEAVE_MS = 5_000

/** The parts of the server to stop, and how long requests in flight may take. */
export interface ShutdownOptions {
  readonly edge: Edge
  readonly listeners: PortListeners
  readonly sessions: Sessions
  readonly links: LinkService
  readonly admin: { readonly api: { readonly connectionCount: number; readonly streamCount: number }; drain(): void }
  readonly succession: Succession
  readonly clock: Clock
  /** What is in flight may take as long. */
  readonly drainMs: number
}

/** Resolves when no visitor and no client is left, or when their time is over. */
export async function shutDown(options: ShutdownOptions): Promise<void> {
  const { edge, listeners, sessions, links, admin, succession, clock, drainMs } = options
  const end = clock.now() + drainMs
  const left = () => Math.max(0, end - clock.now())
  // As long as no other process takes new visitors they are served: what is under way may last, they need not wait for it.
  const isOpenStill = sessions.watchOpen()
  const isReplaced = () => succession.hasSuccessor()
  await until(() => isReplaced() || !isOpenStill(), clock, Math.max(0, left() - LEAVE_MS))
  // Watchers are told first: a panel that stays open holds nothing up.
  admin.drain()
  // From here on no new visitors; those who are here get their answers.
  edge.drain()
  await listeners.drain(isReplaced())
  // Clients finish what they have and look for the next server.
  sessions.goAway('the server is stopping')
  // Visitors only: clients keep their links until the server closes them.
  const visitors = () =>
    edge.connectionCount - links.connectionCount - admin.api.connectionCount + listeners.connectionCount
  await until(() => visitors() <= 0, clock, left())
  // What is left of the visitors is cut, and each link ends after what it still has to say.
  sessions.close('the server stopped')
  await until(() => links.connectionCount === 0 && admin.api.streamCount === 0, clock, LAST_WORDS_MS)
}

/** Resolves when the condition holds, at the latest after `limitMs`. */
function until(holds: () => boolean, clock: Clock, limitMs: number): Promise<void> {
  const end = clock.now() + limitMs
  return new Promise(resolve => {
    const look = () => {
      if (holds() || clock.now() >= end) resolve()
      else clock.after(DRAIN_LOOK_MS, look)
    }
    look()
  })
}
