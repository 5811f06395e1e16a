// What pbt tells programs and people, one kind an event. The field names are promised to programs.
import type { ChannelKind } from '@pbt/proto'
import type { FailureCode } from '../failure.ts'

/** Without `time`, which the output adds. `number`: which of the tunnels that the process was asked for, from 1. */
export type ClientEvent =
  /** `replaced`: the server whose token was stored before, if it was another one. */
  | { event: 'stored'; server: string; replaced?: string | undefined }
  /** Who may visit a tunnel besides. `everybody`: its addresses that have no list, and let everybody in. */
  | {
      event: 'allowed'
      tunnel: string
      blocks: readonly string[]
      addresses: readonly string[]
      everybody: readonly string[]
      /** RFC 3339; undefined: for good. */
      until?: string | undefined
    }
  | { event: 'connected'; server: string }
  /** One of both ends is older than the other. */
  | { event: 'outdated'; message: string; cure: string }
  | {
      event: 'online'
      number: number
      tunnel: string
      kind: ChannelKind
      urls: readonly string[]
      target: string
      /** Who may visit: every one of these has to let a visitor in. Undefined: the server does not say. */
      allowlists?: readonly Allowlist[] | undefined
    }
  /** One of the tunnel's addresses is kept for it and does not serve yet. */
  | { event: 'waiting'; number: number; tunnel: string; url: string; target: string; reason: string; cure: string }
  /** A tunnel was added to the others, or taken away from them, while they run. */
  | ({ event: 'added' } & TunnelAsked)
  | { event: 'removed'; number: number; tunnel: string }
  /** The target of a tunnel takes no connections (`reason` says why), or takes them again. */
  | {
      event: 'target'
      number: number
      tunnel: string
      target: string
      state: 'answers' | 'refuses'
      reason: string
    }
  /** `cure`: what the owner can do about it, '' when waiting is all. */
  | { event: 'reconnecting'; reason: string; cure: string; retryInMs: number }
  | { event: 'resumed' }
  | { event: 'offline'; reason: string }
  /** Told to stop: no new visitors, and what is under way may end within `limitMs`. */
  | { event: 'stopping'; open: number; limitMs: number }
  | { event: 'closed'; number: number; tunnel: string; code: FailureCode; reason: string }
  /** With `number` and `target` when it is about one tunnel, and the others go on; `retrying`: it is asked for again. */
  | {
      event: 'error'
      code: FailureCode
      message: string
      cure: string
      number?: number
      target?: string
      retrying?: boolean
    }

/** Addresses and blocks that may visit, the first of them, and how many more there are; none of both: nobody may visit. */
export interface Allowlist {
  readonly blocks: readonly string[]
  readonly more: number
}

/** Until the process ends: what is under way, and how long it may take. */
export interface Stopping {
  readonly open: number
  readonly limitMs: number
}

/** The link. */
export interface Traffic {
  /** Requests, connections and flows under way. */
  readonly open: number
  /** 0 when unknown. */
  readonly roundTripMs: number
}

/** What is open of a tunnel, and its payload from and to visitors since the start. */
export interface TunnelTraffic {
  readonly open: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** `connecting` at first; `offline`: the session is lost, not only its link. */
export type LinkState = 'connecting' | 'online' | 'reconnecting' | 'offline' | 'stopping'

/** A request, connection or flow that is open. */
export interface OpenChannel {
  /** The visitor's address and port. */
  readonly visitor: string
  readonly ageMs: number
  /** Payload from and to the visitor. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** A tunnel that a process was asked for. */
export interface TunnelAsked {
  /** Which of those that the process was asked for, from 1. */
  readonly number: number
  readonly kind: ChannelKind
  readonly target: string
  /** Addresses and CIDR blocks that may visit as far as the command says, none for everybody. */
  readonly allow: readonly string[]
}

/** An address that does not serve yet. */
export interface WaitingAddress {
  readonly url: string
  readonly reason: string
  readonly cure: string
}

/** How it stands. */
export interface TunnelStanding extends TunnelAsked {
  /** '' until it was online. */
  readonly name: string
  /** Its public addresses, none until it was online and after it was refused or ended. */
  readonly urls: readonly string[]
  /** Who may visit: every one of these has to let a visitor in; none: everybody may. The command's until the server has told. */
  readonly allowlists: readonly Allowlist[]
  /** Addresses that are kept for it and do not serve yet, with what to do. */
  readonly waiting: readonly WaitingAddress[]
  /** Why it was refused or is over, '' when neither. */
  readonly fault: string
  /** What to do about that, '' for nothing. */
  readonly cure: string
  /** The owner ended it on the server. */
  readonly isKilled: boolean
  /** Why its target does not take connections, '' when it does as far as is known. */
  readonly targetFault: string
}

/** A tunnel with its requests, connections or flows: those that are over, those that are open, and the bytes of both. */
export interface TunnelSnapshot extends TunnelStanding {
  /** It is kept, and not to run: told so by its owner. */
  readonly isStopped: boolean
  readonly requests: number
  readonly open: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What a process of this machine that holds tunnels says of itself; `pbt status` shows it. */
export interface ProcessSnapshot {
  readonly pid: number
  /** `HOST:PORT` */
  readonly server: string
  readonly state: LinkState
  /** Why it is not online; '' when it is, and when it is told to stop. */
  readonly reason: string
  /** In the state `stopping`. */
  readonly stopping?: Stopping | undefined
  readonly tunnels: readonly TunnelSnapshot[]
  readonly traffic: Traffic
  /** It keeps the tunnels of its home, whoever is logged in. */
  readonly isDaemon: boolean
  /** What its owner has to mend, such as mistakes in its file, a line each. */
  readonly faults: readonly string[]
}

/** A process of this machine that holds tunnels, as far as it could be asked. */
export type Status =
  | { readonly kind: 'answered'; readonly snapshot: ProcessSnapshot }
  /** It runs, and did not answer in time. */
  | { readonly kind: 'silent'; readonly pid: number }

/** What a process that holds tunnels can be asked at any moment. */
export interface Running {
  /** `HOST:PORT`, for people. */
  readonly server: string
  readonly tunnels: readonly TunnelAsked[]
  readonly traffic: () => Traffic
  /** By the number of the tunnel, of those that have had visitors. */
  readonly byTunnel: () => ReadonlyMap<number, TunnelTraffic>
  /** The newest of what is open of the tunnel with this number, the newest first, `most` at most. */
  readonly openOf: (tunnel: number, most: number) => readonly OpenChannel[]
}
