// What pbt tells programs and people, one kind an event. The field names are promised to programs.
import type { ChannelKind } from '@pbt/proto'
import type { FailureCode } from './failure.ts'

/** Without `time`, which the output adds. */
export type ClientEvent =
  | { event: 'stored'; server: string }
  | { event: 'connected'; server: string }
  | { event: 'online'; tunnel: string; kind: ChannelKind; urls: readonly string[]; target: string }
  | { event: 'reconnecting'; reason: string; retryInMs: number }
  | { event: 'resumed' }
  | { event: 'offline'; reason: string }
  | { event: 'closed'; tunnel: string; code: FailureCode; reason: string }
  | { event: 'error'; code: FailureCode; message: string; cure: string }

/** Bytes over the link since the start, both ways, and what is going on now. */
export interface Traffic {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly open: number
  /** 0 when unknown. */
  readonly roundTripMs: number
}
