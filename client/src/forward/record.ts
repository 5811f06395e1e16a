// What is noted of a request for the one who watches: begun with it, told once at its end.
import type { Channel, RequestHead } from '@pbt/proto'
import type { RequestRecord } from '../output/requests.ts'

export type OnRequest = (record: RequestRecord) => void

export class Recorder {
  private readonly onRequest: OnRequest
  private readonly head: RequestHead
  private readonly channel: Channel
  private readonly startedAt = Date.now()
  private readonly began = performance.now()
  private isTold = false
  status = 0

  constructor(onRequest: OnRequest, head: RequestHead, channel: Channel) {
    this.onRequest = onRequest
    this.head = head
    this.channel = channel
  }

  /** The request is over; `fault` '' when it ended well. Again: nothing. */
  over(fault: string): void {
    if (this.isTold) return
    this.isTold = true
    this.onRequest({
      startedAt: this.startedAt,
      durationMs: performance.now() - this.began,
      method: this.head.method,
      path: this.head.target,
      status: this.status,
      bytesIn: this.channel.bytesReceived,
      bytesOut: this.channel.bytesSent,
      fault,
    })
  }
}
