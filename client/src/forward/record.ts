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
  /** 0 when no response head was sent; undefined for connections and flows, which have none. */
  readonly status: number | undefined
  /** Body bytes from and to the visitor. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams of a flow, either way, for which there was no room here; 0 for others. */
  readonly dropped: number
  /** Why it did not end well; '' when it did. */
  readonly fault: string
}

export type OnRequest = (record: RequestRecord) => void

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
      status: this.status,
      bytesIn: this.channel.bytesReceived,
      bytesOut: this.channel.bytesSent,
      dropped: this.dropped,
      fault,
    })
  }
}
