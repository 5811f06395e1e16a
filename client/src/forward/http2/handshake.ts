// An upgrade at a target that speaks HTTP/2, which has none: HTTP/1.1 on a connection of its own, if the target speaks that too.
import type { Channel, Clock, ErrorCode, PbtError, RequestHead, Timer } from '@pbt/proto'
import { Http1Exchange } from '../exchange.ts'
import type { AnswerHead } from '../response-parser.ts'
import type { Ways } from './stream-exchange.ts'

/** A target that speaks HTTP/2 only may take HTTP/1.1 for the beginning of something, and wait for more. */
const HANDSHAKE_MS = 15_000

/** Fails with `target-timeout` without an answer within 15 seconds of the visitor's last byte. */
export class HandshakeExchange extends Http1Exchange {
  private readonly clock: Clock
  private timer: Timer
  private hasAnswer = false

  constructor(channel: Channel, head: RequestHead, { http1, clock, onRequest }: Ways) {
    super(channel, head, false, http1, onRequest)
    this.clock = clock
    this.timer = this.wait()
  }

  private wait(): Timer {
    return this.clock.after(HANDSHAKE_MS, () => {
      this.fail('target-timeout', `the target did not answer the handshake within ${HANDSHAKE_MS / 1000} s`)
    })
  }

  override onData(chunk: Buffer): void {
    if (!this.hasAnswer) {
      // A body before the handshake is over may take its time.
      this.timer.clear()
      this.timer = this.wait()
    }
    super.onData(chunk)
  }

  override onAnswerHead(head: AnswerHead): void {
    if (head.status === 101 || head.status >= 200) {
      this.timer.clear()
      this.hasAnswer = true
    }
    super.onAnswerHead(head)
  }

  override onReset(error: PbtError): void {
    this.timer.clear()
    super.onReset(error)
  }

  protected override fail(code: ErrorCode, message: string): void {
    this.timer.clear()
    const why = '; it speaks HTTP/2 (--target-protocol h2c), and upgrades need HTTP/1.1 or, for a WebSocket, RFC 8441'
    super.fail(code, this.hasAnswer ? message : message + why)
  }
}
