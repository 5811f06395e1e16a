// What the acknowledgements tell about the line, and the cap on unacknowledged bytes that follows from it.
//
// A single ordered stream bloats unless its sender holds back: whatever is beyond the line's bandwidth-delay product
// stands in queues of the kernel and the routers, and every small frame waits behind it. The model is BBR's
// (draft-ietf-ccwg-bbr, sections 4 and 5): cap = gain x highest delivery rate x lowest round trip, both of recent time.
// Arithmetic only: no timers, time is passed in.
import { KIB, MAX_UNACKED_BYTES } from './limits.ts'

/** What the line remembers of one batch when it was sent; kept with the batch until it is acknowledged. */
export interface SentRecord {
  bytes: number
  sentAt: number
  /** The line's `delivered`, `deliveredAt` and `firstSentAt` when this was sent. */
  delivered: number
  deliveredAt: number
  firstSentAt: number
  /** There was nothing more to send: the rate of this flight says nothing about the line. */
  isAppLimited: boolean
}

/** Start-up doubles the rate each round trip, so the cap must hold two round trips' worth (BBR: 2 / ln 2 with pacing). */
const STARTUP_GAIN = 2.2
/** Start-up ends when three rounds brought less than a quarter more. */
const FULL_GROWTH = 1.25
const FULL_ROUNDS = 3
/** Or when the round trip has risen by this much: a queue stands already. */
const RISE_FACTOR = 1.25
const RISE_MS = 4
/**
 * Above 1 so that a faster line is found and acknowledgements that come in lumps leave no gap; the surplus is a queue of
 * a quarter of a round trip.
 */
const CRUISE_GAIN = 1.25
/** One round in PROBE_ROUNDS asks for more, the next drains what that queued, so that the lowest round trip stays true. */
const PROBE_GAIN = 1.5
const DRAIN_GAIN = 0.85
const PROBE_ROUNDS = 8
/** On lines shorter than this the scheduling of two processes decides: less leaves one of them waiting for the other. */
const MIN_ROUND_TRIP_MS = 2
/** Lets batches be written, read and acknowledged while others are on the line: four of them. */
const SLACK_BYTES = 256 * KIB
/** The cap before the first samples: TCP's initial window would be 14 KiB, ours counts on TCP's own below. */
export const INITIAL_CAP_BYTES = 512 * KIB
/** The rate window turns over after this many rounds, but not sooner than RATE_WINDOW_MS. */
const RATE_ROUNDS = 5
const RATE_WINDOW_MS = 500
const ROUND_TRIP_WINDOW_MS = 10_000

type Phase = 'startup' | 'cruise' | 'probe' | 'drain'

export class Line {
  /** Bytes that may be unacknowledged before bulk has to wait. */
  capBytes = INITIAL_CAP_BYTES
  /** Lowest recent round trip in ms, 0 before the first sample. */
  roundTripMs = 0
  /** Highest recent delivery rate in bytes per ms. */
  rate = 0

  private phase: Phase = 'startup'
  private delivered = 0
  private deliveredAt = 0
  private firstSentAt = 0
  /** Bytes sent and not acknowledged on this link. */
  inFlight = 0
  /** Until `delivered` passes this, samples say how much there was to send, not what the line can take. */
  private appLimitedUntil = 0

  private round = 0
  private roundEndsAt = 0
  private phaseRound = 0
  private fullRate = 0
  private fullRounds = 0

  // Two windows each, so that the extreme of recent time is the better of both.
  private rateNow = 0
  private rateBefore = 0
  private rateTurnRound = 0
  private rateTurnAt = 0
  private tripNow = 0
  private tripBefore = 0
  private tripTurnAt = 0

  /** Notes a batch as sent. */
  sent(record: SentRecord, now: number): void {
    if (this.inFlight === 0) {
      this.firstSentAt = now
      this.deliveredAt = now
    }
    this.inFlight += record.bytes
    record.sentAt = now
    record.delivered = this.delivered
    record.deliveredAt = this.deliveredAt
    record.firstSentAt = this.firstSentAt
    record.isAppLimited = this.delivered < this.appLimitedUntil
  }

  /** There is nothing more to send although the cap would let it go. */
  ranDry(): void {
    this.appLimitedUntil = this.delivered + this.inFlight
  }

  /** Notes that all batches up to this one were acknowledged; `bytes`: of those that this acknowledgement added. */
  acknowledged(newest: SentRecord, bytes: number, now: number): void {
    this.inFlight -= bytes
    this.delivered += bytes
    this.deliveredAt = now
    const roundTrip = now - newest.sentAt
    this.sampleRoundTrip(roundTrip, now)
    const elapsed = Math.max(newest.sentAt - newest.firstSentAt, now - newest.deliveredAt)
    this.firstSentAt = newest.sentAt
    if (elapsed > 0 && elapsed >= this.roundTripMs) {
      const rate = (this.delivered - newest.delivered) / elapsed
      if (!newest.isAppLimited || rate > this.rate) this.sampleRate(rate, now)
    }
    if (newest.delivered >= this.roundEndsAt) {
      this.roundEndsAt = this.delivered
      this.round++
      this.endRound(roundTrip, newest.isAppLimited)
    }
    this.capBytes = this.cap()
  }

  private sampleRoundTrip(roundTrip: number, now: number): void {
    if (now - this.tripTurnAt > ROUND_TRIP_WINDOW_MS / 2) {
      this.tripTurnAt = now
      this.tripBefore = this.tripNow
      this.tripNow = roundTrip
    } else if (this.tripNow === 0 || roundTrip < this.tripNow) this.tripNow = roundTrip
    this.roundTripMs = this.tripBefore === 0 ? this.tripNow : Math.min(this.tripNow, this.tripBefore)
  }

  private sampleRate(rate: number, now: number): void {
    if (this.round - this.rateTurnRound >= RATE_ROUNDS && now - this.rateTurnAt > RATE_WINDOW_MS) {
      this.rateTurnRound = this.round
      this.rateTurnAt = now
      this.rateBefore = this.rateNow
      this.rateNow = rate
    } else if (rate > this.rateNow) this.rateNow = rate
    this.rate = Math.max(this.rateNow, this.rateBefore)
  }

  private endRound(roundTrip: number, isAppLimited: boolean): void {
    const rounds = this.round - this.phaseRound
    switch (this.phase) {
      case 'startup':
        if (!isAppLimited && this.isFull(roundTrip)) this.enter('drain')
        return
      case 'drain':
        this.enter('cruise')
        return
      case 'cruise':
        if (rounds >= PROBE_ROUNDS) this.enter('probe')
        return
      case 'probe':
        this.enter('drain')
    }
  }

  private isFull(roundTrip: number): boolean {
    if (roundTrip > Math.max(this.roundTripMs, MIN_ROUND_TRIP_MS) * RISE_FACTOR + RISE_MS) return true
    if (this.rate >= this.fullRate * FULL_GROWTH) {
      this.fullRate = this.rate
      this.fullRounds = 0
      return false
    }
    return ++this.fullRounds >= FULL_ROUNDS
  }

  private enter(phase: Phase): void {
    this.phase = phase
    this.phaseRound = this.round
  }

  private cap(): number {
    const product = this.rate * Math.max(this.roundTripMs, MIN_ROUND_TRIP_MS)
    const cap = GAIN[this.phase] * product + SLACK_BYTES
    const floor = this.phase === 'startup' ? INITIAL_CAP_BYTES : SLACK_BYTES
    return Math.min(Math.max(cap, floor), MAX_UNACKED_BYTES)
  }
}

const GAIN: Readonly<Record<Phase, number>> = {
  startup: STARTUP_GAIN,
  cruise: CRUISE_GAIN,
  probe: PROBE_GAIN,
  drain: DRAIN_GAIN,
}
