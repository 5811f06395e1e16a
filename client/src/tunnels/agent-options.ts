// What an agent is told.
import type { Clock } from '@pbt/proto'
import type { HelloInit, Line, LineEvents } from '../session/dial.ts'
import type { SessionEvents, TunnelPlan } from '../session/session.ts'
import type { ClientEvent } from './events.ts'
import type { Identity } from './identity.ts'
import type { Listening } from './listening.ts'

/** Everything from outside, clock and chance too, so that a test can replace it. */
export interface AgentOptions {
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
  /** `HOST:PORT`, for people. */
  readonly server: string
  readonly identity: Identity
  /** Those to begin with. */
  readonly tunnels: readonly TunnelPlan[]
  /** A person has asked for those to begin with just now; else something that restarts programs has started this one. */
  readonly isAskedByOwner: boolean
  /** Tunnels that the owner ends on the server are kept, and opened again when they are started there. */
  readonly keepsEnded?: boolean
  /** What listens on this machine, see `readListening`; without it nobody looks. */
  readonly readListening?: (() => Listening | undefined) | undefined
  /** Looks at a port of the server from here; without it nobody looks. */
  readonly onLook?: SessionEvents['onLook']
  /** Begins a line; calls its events later, never before it returns. */
  readonly dial: (hello: HelloInit, events: LineEvents) => Line
  readonly onEvent: (event: ClientEvent) => void
  /** Tells why the token will not be there after a restart, '' when it will. */
  readonly onNewToken: (token: string) => string
}
