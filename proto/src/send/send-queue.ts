// The sending half of a channel: what waits, the credit for it, and how much of it goes into the next batch.
import { type BatchWriter, type Body, DATA_TAG, DATAGRAM_TAG } from '../codec/encode.ts'
import {
  CHANNEL_QUEUE_BYTES,
  DATA_FRAMING_BYTES,
  DATAGRAM_OVERHEAD_BYTES,
  DATAGRAM_QUEUE_BYTES,
  KIB,
  LEAST_QUEUE_BYTES,
  MAX_BATCH_FRAMES,
  SESSION_DATAGRAM_BYTES,
  SESSION_QUEUE_BYTES,
} from '../limits.ts'
import { SendWindow, type UnreadPool } from './send-window.ts'

/** Less room in a batch than this is left empty: a frame costs more than it would bring. */
export const LEAST_ROOM_BYTES = 2 * KIB
/** A channel that sent less than this recently goes ahead of bulk. */
const FRESH_BYTES = 32 * KIB
/** The allowance comes back at this rate: 256 KiB/s stay ahead for ever (a terminal, events). */
const FRESH_BYTES_PER_MS = 0.256 * KIB
/** What is sent as datagrams is worth nothing when it comes late: 4 MiB/s stay ahead (a call, a game, a VPN in use). */
const FRESH_DATAGRAM_BYTES_PER_MS = 4 * KIB

/** What all queues of a session hold together. */
export interface SendPool extends UnreadPool {
  /** Data that waits. */
  dataBytes: number
  /** What the datagrams that wait count. */
  datagramBytes: number
}

/** In which ring of the outbox a queue stands. */
export type Ring = 'none' | 'fresh' | 'bulk'

/** Frames of one channel, sent in the order in which they were added. Bytes of a stream wait for credit. */
export class SendQueue {
  readonly id: number
  private readonly isDatagrams: boolean
  private readonly pool: SendPool
  private readonly window: SendWindow
  /** Next in the ring; owned by the outbox. */
  next: SendQueue | undefined
  ring: Ring = 'none'
  /** Called when the queue has room again after `isFull`, and when the end has gone into a batch. */
  readonly owner: { drained(): void; endTaken(): void }

  private bodies: Body[] = []
  private head = 0
  /** Bytes of the first data chunk that have gone already. */
  private offset = 0
  /** Bytes of data waiting; of datagrams what they count. */
  bytes = 0
  /** How often data had to wait because the peer had not read what came before. */
  stalls = 0
  private isEndWanted = false
  private isEndTaken = false
  private wantsDrain = false
  /** The peer has been, or is being, told that the channel exists. */
  isAnnounced: boolean
  private freshBytes = FRESH_BYTES
  private freshAt = 0

  constructor(id: number, isDatagrams: boolean, pool: SendPool, isAnnounced: boolean, owner: SendQueue['owner']) {
    this.id = id
    this.isDatagrams = isDatagrams
    this.pool = pool
    this.window = new SendWindow(pool)
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
    if (this.window.spendable <= 0 && this.bytes === 0) this.stalls++
    this.bodies.push(chunk)
    this.bytes += chunk.length
    this.pool.dataBytes += chunk.length
    if (this.bytes < (this.isSessionFull ? LEAST_QUEUE_BYTES : CHANNEL_QUEUE_BYTES)) return true
    this.wantsDrain = true
    return false
  }

  /** Adds a datagram, or not when too much waits. */
  pushDatagram(datagram: Uint8Array): boolean {
    const cost = datagram.length + DATAGRAM_OVERHEAD_BYTES
    if (!this.isDatagrams || this.bytes + cost > DATAGRAM_QUEUE_BYTES) return false
    if (this.pool.datagramBytes + cost > SESSION_DATAGRAM_BYTES) return false
    this.bodies.push(datagram)
    this.bytes += cost
    this.pool.datagramBytes += cost
    return true
  }

  end(): void {
    this.isEndWanted = true
  }

  /** Adds credit; false when the peer grants more than any window can be. */
  grant(bytes: number): boolean {
    const isPossible = this.window.granted(bytes)
    this.tellRoom()
    return isPossible
  }

  /** Something could go into a batch now. */
  get isReady(): boolean {
    const body = this.bodies[this.head]
    if (body === undefined) return this.isEndWanted && !this.isEndTaken
    return typeof body === 'string' || this.isDatagrams || this.window.spendable > 0
  }

  /** Which ring it belongs to when it becomes ready. */
  ringAt(now: number): 'fresh' | 'bulk' {
    const rate = this.isDatagrams ? FRESH_DATAGRAM_BYTES_PER_MS : FRESH_BYTES_PER_MS
    this.freshBytes = Math.min(FRESH_BYTES, this.freshBytes + (now - this.freshAt) * rate)
    this.freshAt = now
    return this.freshBytes > 0 ? 'fresh' : 'bulk'
  }

  get isFresh(): boolean {
    return this.freshBytes > 0
  }

  /**
   * Puts frames of no more than `budget` bytes, or one larger head or datagram, into the batch, at least one if ready, none
   * with more data than `slice`.
   */
  take(writer: BatchWriter, budget: number, slice: number): void {
    const start = writer.bytes
    for (let room = budget; room >= LEAST_ROOM_BYTES && writer.frames < MAX_BATCH_FRAMES; ) {
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
      } else if (this.isDatagrams) {
        this.shift()
        const cost = body.length + DATAGRAM_OVERHEAD_BYTES
        this.bytes -= cost
        this.pool.datagramBytes -= cost
        writer.add(this.id, this.noteEnd(), body, DATAGRAM_TAG)
      } else if (!this.takeData(writer, Math.min(slice, room - DATA_FRAMING_BYTES))) break
      room = budget - (writer.bytes - start)
    }
    this.freshBytes -= writer.bytes - start
    this.tellRoom()
  }

  /** Too much waits in the session: each channel holds next to nothing. */
  private get isSessionFull(): boolean {
    return this.pool.dataBytes >= SESSION_QUEUE_BYTES
  }

  /** A writer that waits for room is told, unless what it would write could only wait here. */
  private tellRoom(): void {
    if (!this.wantsDrain || this.bytes > CHANNEL_QUEUE_BYTES / 2) return
    if (this.isSessionFull && (this.bytes > LEAST_QUEUE_BYTES / 2 || this.window.spendable <= 0)) return
    this.wantsDrain = false
    this.owner.drained()
  }

  /** One frame of what waits, of however many chunks, so that bulk goes in full ones. */
  private takeData(writer: BatchWriter, most: number): boolean {
    let left = Math.min(this.window.spendable, most)
    let piece = left > 0 ? this.takePiece(left) : undefined
    if (piece === undefined) {
      this.stalls++
      return false
    }
    writer.add(this.id, false, piece, DATA_TAG)
    for (;;) {
      left -= piece.length
      piece = left > 0 ? this.takePiece(left) : undefined
      if (piece === undefined) break
      writer.extend(piece)
    }
    if (this.noteEnd()) writer.end()
    return true
  }

  /** At most so many bytes of the chunk that is first; undefined when no data is. */
  private takePiece(most: number): Uint8Array | undefined {
    const chunk = this.bodies[this.head]
    if (chunk === undefined || typeof chunk === 'string') return undefined
    const from = this.offset
    const size = Math.min(chunk.length - from, most)
    this.window.spent(size)
    this.bytes -= size
    this.pool.dataBytes -= size
    this.offset += size
    if (this.offset === chunk.length) this.shift()
    return size === chunk.length ? chunk : chunk.subarray(from, from + size)
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
    if (this.isDatagrams) this.pool.datagramBytes -= this.bytes
    else this.pool.dataBytes -= this.bytes
    this.bytes = 0
    this.window.release()
    this.isEndWanted = true
    this.isEndTaken = true
    this.wantsDrain = false
  }
}
