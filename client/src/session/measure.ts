// How far away the server is, and how much goes to it and comes from it in a second, as a link carries it.
import { create } from '@bufbuild/protobuf'
import { type Clock, KIB, MIB, type SessionFrame } from '@pbt/proto'
import { type Measured, MeasureSchema } from '@pbt/proto/tunnel/v1'

/** Small questions, of which the fastest counts. */
const TRIPS = 5
/** Of one question or answer. */
const PIECE_BYTES = 32 * KIB
/** Questions under way: 4 MiB fill 300 Mbit/s at 100 ms. */
const AT_ONCE = 128
/** A server answers for no more, and on one machine a second would be more. */
const MAX_BYTES = 128 * MIB

/** What was measured. */
export interface Measurement {
  readonly roundTripMs: number
  readonly upBytesPerSecond: number
  readonly downBytesPerSecond: number
}

/** One measurement at a time. */
export class Measuring {
  private readonly clock: Clock
  private readonly send: (frame: SessionFrame) => void
  private heard: (answer: Measured) => void = () => {}
  private last = 0n

  constructor(clock: Clock, send: (frame: SessionFrame) => void) {
    this.clock = clock
    this.send = send
  }

  /** An answer came. */
  answered(answer: Measured): void {
    this.heard(answer)
  }

  /** Takes `rateMs` for each way, and some round trips. Never settles when the session ends: the caller has a deadline. */
  async run(rateMs: number): Promise<Measurement> {
    let roundTripMs = Number.POSITIVE_INFINITY
    for (let trip = 0; trip < TRIPS; trip++) roundTripMs = Math.min(roundTripMs, await this.trip())
    const upBytesPerSecond = await this.rate(rateMs, PIECE_BYTES, 0)
    const downBytesPerSecond = await this.rate(rateMs, 0, PIECE_BYTES)
    return { roundTripMs, upBytesPerSecond, downBytesPerSecond }
  }

  private async trip(): Promise<number> {
    const began = this.clock.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.heard = () => resolve()
    this.ask(0, 0)
    await promise
    return this.clock.now() - began
  }

  /** Goes on until the time is over, and until all has come back, so that the next measurement begins on an empty line. */
  private async rate(forMs: number, padding: number, wantedBytes: number): Promise<number> {
    const began = this.clock.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    let [underWay, asked] = [0, 0]
    const more = () => {
      const isOver = this.clock.now() - began >= forMs || asked * PIECE_BYTES >= MAX_BYTES
      for (; !isOver && underWay < AT_ONCE; underWay++, asked++) this.ask(padding, wantedBytes)
      if (underWay === 0) resolve()
    }
    this.heard = () => {
      underWay--
      more()
    }
    more()
    await promise
    return (asked * PIECE_BYTES * 1_000) / (this.clock.now() - began)
  }

  private ask(padding: number, wantedBytes: number): void {
    const value = create(MeasureSchema, { id: ++this.last, padding: new Uint8Array(padding), wantedBytes })
    this.send({ case: 'measure', value })
  }
}
