// Reads of a socket into buffers that are used again as soon as what was read is in a message: one that was used a moment
// ago is in the processor's cache still, a new one for each read never is, and has to be collected (bench/README.md).
import { READ_BYTES } from '../limits.ts'

/** Most that wait to be used again, 768 KiB: about what one channel has under way between its reads and its messages. */
const MAX_FREE_BUFFERS = 16
/** Most that stand ready in sockets for their next read, 3 MiB: a peer that sends much and falls silent keeps one. */
const MAX_STANDING_BUFFERS = 64

/** A read of so much is bulk: what its buffer has left is not worth a copy. */
const BULK_BYTES = READ_BYTES * 0.75

interface Lent {
  readonly buffer: Buffer
  /** Bytes read into it that are in no message yet. */
  left: number
}

/** A pool of read buffers. A buffer is used again once `copied` has been called for every byte lent of it. */
export class ReadBuffers {
  private readonly free: Buffer[] = []
  private standing = 0
  /** By the memory that pieces of a buffer are cut from. */
  private readonly lent = new WeakMap<ArrayBufferLike, Lent>()

  /** A buffer of READ_BYTES for one read, to be lent or given back; undefined while too many have one. */
  take(): Buffer | undefined {
    if (this.standing >= MAX_STANDING_BUFFERS) return undefined
    this.standing++
    const used = this.free.pop()
    if (used !== undefined) return used
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    this.lent.set(buffer.buffer, { buffer, left: 0 })
    return buffer
  }

  /** Nothing in a buffer that was taken is wanted. */
  giveBack(buffer: Buffer): void {
    this.standing--
    this.keep(buffer)
  }

  /**
   * What was read into a buffer that was taken, `bytes` long, for a channel to send: each byte once. The buffer comes back
   * when all of them are in messages. When some never are, because the channel is reset, it is garbage like any other.
   */
  lend(buffer: Buffer, bytes: number): Buffer {
    this.standing--
    const lent = this.lent.get(buffer.buffer)
    if (lent !== undefined) lent.left = bytes
    return buffer.subarray(0, bytes)
  }

  /** A piece that was sent is in a message now, and read from here no more. Pieces of other memory are none of ours. */
  copied(piece: Uint8Array): void {
    if (piece.buffer.byteLength !== READ_BYTES) return
    const lent = this.lent.get(piece.buffer)
    if (lent === undefined) return
    lent.left -= piece.length
    if (lent.left === 0) this.keep(lent.buffer)
  }

  private keep(buffer: Buffer): void {
    if (this.free.length < MAX_FREE_BUFFERS) this.free.push(buffer)
  }
}

/** Of this process. */
export const readBuffers = new ReadBuffers()

/** Sockets are read into this, one after the other, as long as they bring little: it is copied out of it. */
const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** What is needed of a Node socket. */
interface ReadSocket {
  emit(event: 'data', chunk: Buffer): unknown
  isPaused(): boolean
  once(event: 'close', call: () => void): unknown
}

/** `onread` of a Node socket's options. */
export interface OnRead {
  buffer(): Buffer
  callback(bytes: number): boolean
}

/**
 * A socket that `make` makes with `onread` in its options, and that stops reading when it is told to: left to itself Node
 * reads once more, and thousands of targets that pour out what is not read would fill a read each. Small reads are
 * copied out of the shared buffer; after one that nearly filled it the next goes into a buffer of the socket's own, which is
 * lent to the sender if it is as full. What comes before there is a listener of `data` is lost.
 */
export function withReadBuffers<S extends ReadSocket>(make: (onread: OnRead) => S): S {
  let own: Buffer | undefined
  const giveBack = () => {
    if (own !== undefined) readBuffers.giveBack(own)
    own = undefined
  }
  const socket: S = make({
    buffer: () => own ?? sharedBuffer,
    callback: bytes => {
      const isBulk = bytes >= BULK_BYTES
      if (own !== undefined && isBulk) {
        const chunk = readBuffers.lend(own, bytes)
        own = undefined
        socket.emit('data', chunk)
      } else {
        const chunk = Buffer.from((own ?? sharedBuffer).subarray(0, bytes))
        giveBack()
        socket.emit('data', chunk)
      }
      const goesOn = !socket.isPaused()
      if (goesOn && isBulk) own = readBuffers.take()
      return goesOn
    },
  })
  socket.once('close', giveBack)
  return socket
}
