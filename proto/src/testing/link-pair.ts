// Two muxes joined by a simulated line: one rate and FIFO a direction, one-way delay, cuts and black holes.
import { bufferOf } from '../codec/encode.ts'
import type { Link } from '../link/link.ts'
import type { Mux } from '../mux.ts'
import type { FakeClock } from './fake-clock.ts'

export interface LineOptions {
  /** One way, in ms. */
  delayMs: number
  /** Bytes per ms for each direction; Infinity for none. */
  bytesPerMs: number
  /** What the sender's kernel takes before it makes the writer wait. */
  sendBufferBytes?: number
  /** How long the process takes to give a batch to the kernel. Read for each batch. */
  takeMs?: number
}

/** The line between two muxes, made anew for each link. */
export class LinkPair {
  private readonly clock: FakeClock
  readonly options: LineOptions
  private readonly left: Mux
  private readonly right: Mux
  private isCut = false
  private isBlackHole = false

  /** Attaches both; on a resumed session each gets what the other has received. */
  constructor(clock: FakeClock, left: Mux, right: Mux, options: Partial<LineOptions> = {}) {
    this.clock = clock
    this.options = { delayMs: 0.05, bytesPerMs: Number.POSITIVE_INFINITY, ...options }
    this.left = left
    this.right = right
    const [leftHas, rightHas] = [left.received, right.received]
    left.attach(this.end(right), rightHas)
    right.attach(this.end(left), leftHas)
  }

  /** The connection breaks: what is under way is lost and both ends notice. */
  cut(): void {
    this.isCut = true
    this.left.detach()
    this.right.detach()
  }

  /** Nothing arrives any more, and neither end notices. */
  blackHole(): void {
    this.isBlackHole = true
  }

  private end(peer: Mux): Link {
    const { delayMs, bytesPerMs, sendBufferBytes = 4 * 1024 * 1024 } = this.options
    let busyUntil = 0
    return {
      write: (batch, taken) => {
        const now = this.clock.now()
        busyUntil = Math.max(now, busyUntil) + batch.length / bytesPerMs
        const copy = Buffer.from(bufferOf(batch))
        this.clock.after(busyUntil - now + delayMs, () => {
          if (!this.isCut && !this.isBlackHole) peer.receive(copy)
        })
        const { takeMs = 0 } = this.options
        this.clock.after(takeMs + Math.max(0, busyUntil - now - sendBufferBytes / bytesPerMs), taken)
      },
      close: () => {},
    }
  }
}
