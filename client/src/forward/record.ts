// What is noted of a request, connection or flow for the one who watches: begun with it, told once at its end.
import type { Channel } from '@pbt/proto'

/** One request, connection or flow that is over. */
export interface RequestRecord {
  /** Milliseconds since the epoch when it began. */
  readonly startedAt: number
  readonly durationMs: number
  /** `TCP` and `UDP` for connections and flows. */
  readonly method: string
  /** Octets as the visitor sent them: unsafe to print. The visitor's address for connections and flows. */
  readonly path: string
  /** The visitor's address and port. */
  readonly visitor: string
  /**
   * What the visitor got: the target's, or that of the server's own answer where the target gave none; 0 when the visitor went
   * away before one. Undefined for connections and flows, which have none.
   */
  readonly status: number | undefined
  /** Body bytes from and to the visitor. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams of a flow, either way, for which there was no room here; 0 for others. */
  readonly dropped: number
  /** Why it did not end well; '' when it did. */
  readonly fault: string
}

/** Called once for each, at its end. Must not throw. */
export type OnRequest = (record: RequestRecord) => void

/** What the server answers visitors by itself, as far as it depends on what this end told it (`server/src/edge/visit.ts`). */
const STATUS_OF_CODE: Readonly<Partial<Record<string, number>>> = {
  'target-timeout': 504,
  limit: 503,
  limited: 429,
  cancelled: 0,
}
const BAD_GATEWAY = 502

/** The status that a visitor saw where the last head sent had this one, 0 for none. */
function statusSeen(status: number, fault: string): number {
  const isFinal = status === 101 || status >= 200
  if (isFinal || fault === '') return status
  return STATUS_OF_CODE[fault.split(':', 1)[0] ?? ''] ?? BAD_GATEWAY
}

/** Counts one request, connection or flow from its beginning, and tells it once. */
export class Recorder {
  private readonly onRequest: OnRequest
  private readonly method: string
  private readonly path: string
  private readonly channel: Channel
  private readonly startedAt = Date.now()
  private readonly began = performance.now()
  private isTold = false
  status: number | undefined
  /** Datagrams that had to be dropped. */
  dropped = 0

  /** `method` and `path`: as in RequestRecord. */
  constructor(onRequest: OnRequest, method: string, path: string, channel: Channel) {
    this.onRequest = onRequest
    this.method = method
    this.path = path
    this.channel = channel
    this.status = channel.kind === 'http' ? 0 : undefined
  }

  /** It is over; `fault` '' when it ended well. Again: nothing. */
  over(fault: string): void {
    if (this.isTold) return
    this.isTold = true
    this.onRequest({
      startedAt: this.startedAt,
      durationMs: performance.now() - this.began,
      method: this.method,
      path: this.path,
      visitor: this.channel.visitor,
      status: this.status === undefined ? undefined : statusSeen(this.status, fault),
      bytesIn: this.channel.bytesReceived,
      bytesOut: this.channel.bytesSent,
      dropped: this.dropped,
      fault,
    })
  }
}
