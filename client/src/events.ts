// What pbt tells programs and people, one kind an event. The field names are promised to programs.
import type { ChannelKind } from '@pbt/proto'
import type { FailureCode } from './failure.ts'

/** Without `time`, which the output adds. `number`: which of the tunnels that the process was asked for, from 1. */
export type ClientEvent =
  | { event: 'stored'; server: string }
  | { event: 'connected'; server: string }
  | { event: 'online'; number: number; tunnel: string; kind: ChannelKind; urls: readonly string[]; target: string }
  | { event: 'reconnecting'; reason: string; retryInMs: number }
  | { event: 'resumed' }
  | { event: 'offline'; reason: string }
  | { event: 'closed'; number: number; tunnel: string; code: FailureCode; reason: string }
  | { event: 'error'; code: FailureCode; message: string; cure: string }

/** Bytes over the link since the start, both ways, and what is going on now. */
export interface Traffic {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly open: number
  /** 0 when unknown. */
  readonly roundTripMs: number
}

export type LinkState = 'connecting' | 'online' | 'reconnecting' | 'offline'

export interface TunnelOnline {
  /** Which of those that the process was asked for, from 1. */
  readonly number: number
  readonly name: string
  readonly kind: ChannelKind
  readonly urls: readonly string[]
  readonly target: string
}

/** A tunnel with the requests, connections or flows that are over, and their bytes. */
export interface TunnelSnapshot extends TunnelOnline {
  readonly requests: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What a process of this machine that holds tunnels says of itself; `pbt status` shows it. */
export interface ProcessSnapshot {
  readonly pid: number
  /** `HOST:PORT` */
  readonly server: string
  readonly state: LinkState
  /** Why it is not online, '' when it is. */
  readonly reason: string
  readonly tunnels: readonly TunnelSnapshot[]
  readonly traffic: Traffic
}
