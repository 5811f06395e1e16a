// What goes into the next batch: control first, then channels that sent little recently, then bulk in fair rounds.
//
// The rings are those of FQ-CoDel (RFC 8290 section 4.2) with time instead of one free quantum deciding which are new:
// a channel stays ahead as long as it sends less than its allowance, which comes back with time.
import type { BatchWriter } from '../codec/encode.ts'
import { BATCH_FULL_BYTES, KIB, MAX_BATCH_FRAMES } from '../limits.ts'
import { LEAST_ROOM_BYTES, type SendQueue } from './send-queue.ts'

/** On a slow line a frame is an eighth of what may be under way, so that what comes next need not wait for more. */
const SLICES = 8
const MIN_SLICE_BYTES = 8 * KIB

/** First in, first out, linked through `next`. */
class QueueRing {
  private first: SendQueue | undefined
  private last: SendQueue | undefined

  get isEmpty(): boolean {
    return this.first === undefined
  }

  push(queue: SendQueue): void {
    queue.next = undefined
    if (this.last === undefined) this.first = queue
    else this.last.next = queue
    this.last = queue
  }

  shift(): SendQueue | undefined {
    const queue = this.first
    if (queue === undefined) return undefined
    this.first = queue.next
    if (this.first === undefined) this.last = undefined
    queue.next = undefined
    queue.ring = 'none'
    return queue
  }
}

/** Holds channels with something to send, each at most once, and decides which comes next. */
export class Outbox {
  private readonly channels: number[] = []
  private readonly control: string[] = []
  private readonly fresh = new QueueRing()
  private readonly bulk = new QueueRing()
  /** What the last batch holds besides control. */
  hasFilledFresh = false
  hasFilledBulk = false

  /** Adds a frame that goes ahead of everything but other control. */
  pushControl(channel: number, body: string): void {
    this.channels.push(channel)
    this.control.push(body)
  }

  /** Control frames waiting. */
  get controlFrames(): number {
    return this.control.length
  }

  /** The queue has got something to send or credit to send it; nothing when it stands in a ring or is not ready. */
  ready(queue: SendQueue, now: number): void {
    if (queue.ring !== 'none' || !queue.isReady) return
    this.enter(queue, queue.ringAt(now))
  }

  /** Nothing waits that could go out. */
  get isEmpty(): boolean {
    return this.control.length === 0 && this.fresh.isEmpty && this.bulk.isEmpty
  }

  /** Nothing waits but bulk. */
  get hasOnlyBulk(): boolean {
    return this.control.length === 0 && this.fresh.isEmpty
  }

  /** Fills a batch: bulk up to `bulkBytes` and in slices that suit `capBytes`, the rest up to a full batch. */
  fill(writer: BatchWriter, bulkBytes: number, capBytes: number): void {
    this.hasFilledFresh = !this.fresh.isEmpty
    this.hasFilledBulk = false
    const slice = Math.max(MIN_SLICE_BYTES, Math.floor(capBytes / SLICES))
    this.fillControl(writer)
    while (hasRoom(writer)) {
      const queue = this.fresh.shift()
      if (queue === undefined) break
      this.serve(queue, writer, slice)
    }
    while (hasRoom(writer) && writer.bytes < bulkBytes) {
      const queue = this.bulk.shift()
      if (queue === undefined) break
      this.hasFilledBulk = true
      this.serve(queue, writer, slice)
    }
  }

  private serve(queue: SendQueue, writer: BatchWriter, slice: number): void {
    queue.take(writer, BATCH_FULL_BYTES - writer.bytes, slice)
    if (queue.isReady) this.enter(queue, queue.isFresh ? 'fresh' : 'bulk')
  }

  private enter(queue: SendQueue, ring: 'fresh' | 'bulk'): void {
    queue.ring = ring
    this[ring].push(queue)
  }

  private fillControl(writer: BatchWriter): void {
    let taken = 0
    while (taken < this.control.length && hasRoom(writer)) {
      writer.add(this.channels[taken] ?? 0, false, this.control[taken] ?? '')
      taken++
    }
    if (taken === 0) return
    this.channels.splice(0, taken)
    this.control.splice(0, taken)
  }
}

/** What a queue's turn adds is no more than a full batch and a head or datagram, so that a batch stays below its limits. */
function hasRoom(writer: BatchWriter): boolean {
  return BATCH_FULL_BYTES - writer.bytes >= LEAST_ROOM_BYTES && writer.frames < MAX_BATCH_FRAMES / 2
}
