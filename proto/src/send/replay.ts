// Counted batches that were sent and not acknowledged, kept in order so that a new link can send them again.
import type { Batch } from '../codec/encode.ts'
import { PbtError } from '../errors.ts'
import type { SentRecord } from './line.ts'

/** A batch kept until it is acknowledged, with its number in the session. */
export interface SentBatch extends SentRecord {
  readonly number: number
  readonly batch: Batch
}

/*
 *   kept:   [ n+1, n+2, … sent on this link … | … still to send again … ]
 *            ^ head                            ^ next
 *   invariant: kept numbers are head's and those after it without a gap; `next` is behind everything unless replaying.
 */
export class Replay {
  private kept: SentBatch[] = []
  private head = 0
  private next = 0
  /** Bytes of the batches kept. */
  bytes = 0
  /** The highest number acknowledged. */
  acked = 0

  /** Batches kept. */
  get length(): number {
    return this.kept.length - this.head
  }

  /** Some batches have to go out again before anything new. */
  get isPending(): boolean {
    return this.next < this.kept.length
  }

  /** Notes a new batch, already sent on this link. Numbers must ascend by one. */
  push(batch: SentBatch): void {
    this.kept.push(batch)
    this.next = this.kept.length
    this.bytes += batch.batch.length
  }

  /**
   * Drops all up to `number` and returns the newest dropped, undefined for nothing new. Throws PbtError `protocol` for
   * a number never sent.
   */
  acknowledge(number: number): SentBatch | undefined {
    if (number <= this.acked) return undefined
    if (number > this.acked + this.length) {
      throw new PbtError(
        'protocol',
        `acknowledgement of batch ${number}, the last one sent is ${this.acked + this.length}`,
      )
    }
    const count = number - this.acked
    let newest: SentBatch | undefined
    for (let index = this.head; index < this.head + count; index++) {
      newest = this.kept[index]
      this.bytes -= newest?.batch.length ?? 0
    }
    this.head += count
    this.acked = number
    if (this.next < this.head) this.next = this.head
    this.compact()
    return newest
  }

  /** Everything kept has to be sent again. */
  rewind(): void {
    this.next = this.head
  }

  /** The next batch to send again, undefined when there is none. */
  resend(): SentBatch | undefined {
    if (this.next >= this.kept.length) return undefined
    return this.kept[this.next++]
  }

  clear(): void {
    this.kept = []
    this.head = 0
    this.next = 0
    this.bytes = 0
  }

  /** Keeps the list from growing for ever without moving it at each acknowledgement. */
  private compact(): void {
    if (this.head === this.kept.length) {
      this.kept.length = 0
      this.head = 0
      this.next = 0
    } else if (this.head > 256 && this.head * 2 > this.kept.length) {
      this.kept = this.kept.slice(this.head)
      this.next -= this.head
      this.head = 0
    }
  }
}
