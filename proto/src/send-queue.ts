// The sending half of a channel: what waits, the credit for it, and how much of it goes into the next batch.
import { type BatchWriter, type Body, DATA_TAG, DATAGRAM_TAG } from './encode.ts'
import {
  CHANNEL_QUEUE_BYTES,
  DATAGRAM_QUEUE_BYTES,
  INITIAL_CREDIT_BYTES,
  KIB,
  MAX_BATCH_FRAMES,
  MAX_CREDIT_BYTES,
  SESSION_DATAGRAM_BYTES,
} from './limits.ts'

/** A channel that sent less than this of late goes ahead of bulk. */
const FRESH_BYTES = 32 * KIB
/** The allowance comes back at this rate: 256 KiB/s stay ahead for ever (a terminal, events). */
const FRESH_BYTES_PER_MS = 0.256 * KIB
/** What is sent as datagrams is worth nothing when it comes late: 4 MiB/s stay ahead (a call, a game, a VPN in use). */
const FRESH_DATAGRAM_BYTES_PER_MS = 4 * KIB

/** What waits in all datagram queues of a session. */
export interface DatagramPool {
  waitingBytes: number
}

/** In which ring of the outbox a queue stands. */
export type Ring = 'none' | 'fresh' | 'bulk'

export class SendQueue {
  readonly id: number
  /** Shared with the session's other datagram queues; undefined: a queue of bytes. */
  private readonly datagrams: DatagramPool | undefined
  /** Next in the ring; owned by the outbox. */
  next: SendQueue | undefined
  ring: Ring = 'none'
  /** Called when the queue has room again after `isFull`, and when the end has gone into a batch. */
  readonly owner: { drained(): void; endTaken(): void }

  private bodies: Body[] = []
  private head = 0
  /** Bytes of the first data chunk that have gone already. */
  private offset = 0
  /** Bytes of data waiting. */
  bytes = 0
  private credit = INITIAL_CREDIT_BYTES
  /** How often data had to wait because the peer had not read what came before. */
  stalls = 0
  private isEndWanted = false
  private isEndTaken = false
  private wantsDrain = false
  /** The peer has been, or is being, told that the channel exists. */
  isAnnounced: boolean
  private freshBytes = FRESH_BYTES
  private freshAt = 0

  constructor(id: number, datagrams: DatagramPool | undefined, isAnnounced: boolean, owner: SendQueue['owner']) {
    this.id = id
    this.datagrams = datagrams
    this.isAnnounced = isAnnounced
    this.owner = owner
  }

  get isEnded(): boolean {
    return this.isEndWanted
  }

  /** Adds an encoded body: it needs no credit. */
  pushFrame(body: string): void {
    this.bodies.push(body)
  }

  /** Adds data. False: the writer should wait for `drained`. */
  pushData(chunk: Uint8Array): boolean {
    if (this.credit <= 0 && this.bytes === 0) this.stalls++
    this.bodies.push(chunk)
    this.bytes += chunk.length
    if (this.bytes < CHANNEL_QUEUE_BYTES) return true
    this.wantsDrain = true
    return false
  }

  /** Adds a datagram, or not when too much waits. */
  pushDatagram(datagram: Uint8Array): boolean {
    const { datagrams } = this
    if (datagrams === undefined || this.bytes + datagram.length > DATAGRAM_QUEUE_BYTES) return false
    if (datagrams.waitingBytes + datagram.length > SESSION_DATAGRAM_BYTES) return false
    this.bodies.push(datagram)
    this.bytes += datagram.length
    datagrams.waitingBytes += datagram.length
    return true
  }

  end(): void {
    this.isEndWanted = true
  }

  /** Adds credit; false when the peer grants more than any window can be. */
  grant(bytes: number): boolean {
    this.credit += bytes
    return this.credit <= 2 * MAX_CREDIT_BYTES
  }

  /** Something could go into a batch now. */
  get isReady(): boolean {
    const body = this.bodies[this.head]
    if (body === undefined) return this.isEndWanted && !this.isEndTaken
    return typeof body === 'string' || this.datagrams !== undefined || this.credit > 0
  }

  /** Which ring it belongs to when it becomes ready. */
  ringAt(now: number): 'fresh' | 'bulk' {
    const rate = this.datagrams === undefined ? FRESH_BYTES_PER_MS : FRESH_DATAGRAM_BYTES_PER_MS
    this.freshBytes = Math.min(FRESH_BYTES, this.freshBytes + (now - this.freshAt) * rate)
    this.freshAt = now
    return this.freshBytes > 0 ? 'fresh' : 'bulk'
  }

  get isFresh(): boolean {
    return this.freshBytes > 0
  }

  /** Puts frames of about `budget` bytes, at least one if ready, into the batch, none with more data than `slice`. */
  take(writer: BatchWriter, budget: number, slice: number): void {
    const start = writer.bytes
    while (writer.bytes - start < budget && writer.frames < MAX_BATCH_FRAMES) {
      const body = this.bodies[this.head]
      if (body === undefined) {
        if (!this.isEndWanted || this.isEndTaken) break
        writer.add(this.id, this.noteEnd(), '')
        break
      }
      if (typeof body === 'string') {
        this.shift()
        this.isAnnounced = true
        writer.add(this.id, this.noteEnd(), body)
      } else if (this.datagrams !== undefined) {
        this.shift()
        this.bytes -= body.length
        this.datagrams.waitingBytes -= body.length
        writer.add(this.id, this.noteEnd(), body, DATAGRAM_TAG)
      } else if (!this.takeData(writer, body, slice)) break
    }
    this.freshBytes -= writer.bytes - start
    if (this.wantsDrain && this.bytes <= CHANNEL_QUEUE_BYTES / 2) {
      this.wantsDrain = false
      this.owner.drained()
    }
  }

  private takeData(writer: BatchWriter, chunk: Uint8Array, slice: number): boolean {
    const size = Math.min(chunk.length - this.offset, this.credit, slice)
    if (size <= 0) {
      this.stalls++
      return false
    }
    const from = this.offset
    this.credit -= size
    this.bytes -= size
    this.offset += size
    if (this.offset === chunk.length) this.shift()
    const whole = from === 0 && size === chunk.length
    writer.add(this.id, this.noteEnd(), whole ? chunk : chunk.subarray(from, from + size), DATA_TAG)
    return true
  }

  private shift(): void {
    this.offset = 0
    this.bodies[this.head++] = ''
    if (this.head === this.bodies.length) {
      this.bodies.length = 0
      this.head = 0
    } else if (this.head > 64 && this.head * 2 > this.bodies.length) {
      this.bodies = this.bodies.slice(this.head)
      this.head = 0
    }
  }

  /** Whether the frame being written is the last one; tells the owner so. */
  private noteEnd(): boolean {
    if (!this.isEndWanted || this.isEndTaken || this.head < this.bodies.length) return false
    this.isEndTaken = true
    this.owner.endTaken()
    return true
  }

  /** Drops everything that waits. */
  clear(): void {
    this.bodies.length = 0
    this.head = 0
    this.offset = 0
    if (this.datagrams !== undefined) this.datagrams.waitingBytes -= this.bytes
    this.bytes = 0
    this.isEndWanted = true
    this.isEndTaken = true
    this.wantsDrain = false
  }
}
