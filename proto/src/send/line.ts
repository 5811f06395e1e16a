// What the acknowledgements tell about the line, and the cap on unacknowledged bytes that follows from it.
//
// A single ordered stream bloats unless its sender holds back: whatever is beyond the line's bandwidth-delay product
// stands in queues of the kernel and the routers, and every small frame waits behind it. The model is BBR's
// (draft-ietf-ccwg-bbr, sections 4 and 5): cap = gain x highest delivery rate x lowest round trip, both of recent time.
// Arithmetic only: no timers, time is passed in.
import { KIB, MAX_UNACKED_BYTES } from '../limits.ts'

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
/** What is beyond the product is for the slack to decide; this covers a rate measured a little low. */
const CRUISE_GAIN = 1.05
/** One round in so many goes out below the product and without slack: it empties the queue, so the lowest round trip stays true. */
const DRAIN_GAIN = 0.85
const CRUISE_ROUNDS = 16
/** Below this the clock of acknowledgements, not the line, makes the round trip. */
const MIN_ROUND_TRIP_MS = 1
/** Bulk that others share the line with may cost some throughput where the processes, not the line, are the limit. */
const SHARED_ROUND_TRIP_MS = 0.3
/**
 * Beyond the product goes the slack: it lets batches be written, read and acknowledged while others are on the line, and
 * finds a faster line. How much that takes depends on how both processes are scheduled, which no model tells, so it is
 * steered: more while even the quickest batch of a round met a shorter queue than the target, less while all met a longer
 * one (the idea of TCP Vegas and LEDBAT, RFC 6817 section 2.4.2). The least is one batch under way and one being read.
 */
const QUEUE_TARGET_MS = 2
/**
 * With a peer this near the processes are the limit, not the line: each waits for its turn on a core, and where sender and
 * receiver share cores a shorter queue leaves them idle in between (a sixth of the time, a tenth of the throughput).
 */
const NEARBY_ROUND_TRIP_MS = 3
const NEARBY_QUEUE_TARGET_MS = 8
/** With such a peer, while small things go beside bulk: each of them waits for what stands in the queue. */
const SHARED_QUEUE_TARGET_MS = 0.3
/** After the last of them the line counts as shared for this long. */
const SHARED_MS = 1_000
const FIRST_SLACK_BYTES = 256 * KIB
const MIN_SLACK_BYTES = 64 * KIB
const MAX_SLACK_BYTES = 4 * 1024 * KIB
/** Part of the distance to the target that one round covers, and the most by which it changes the slack. */
const STEP_PART = 0.5
const MAX_STEP = 1.5
/** The cap before the first samples: TCP's initial window would be 14 KiB, ours counts on TCP's own below. */
export const INITIAL_CAP_BYTES = 512 * KIB
/** The rate window turns over after this many rounds, but not sooner than RATE_WINDOW_MS. */
const RATE_ROUNDS = 5
const RATE_WINDOW_MS = 500
const ROUND_TRIP_WINDOW_MS = 10_000

const SMOOTHING = 1 / 8
const DEVIATION_SMOOTHING = 1 / 4

type Phase = 'startup' | 'cruise' | 'drain'

/** Estimates round trip (ms) and delivery rate (bytes per ms) of one link, and from both how much may be in flight. */
export class Line {
  /** Bytes that may be unacknowledged before bulk has to wait. */
  capBytes = INITIAL_CAP_BYTES
  /** Lowest recent round trip in ms, 0 before the first sample. */
  roundTripMs = 0
  /** The usual round trip in ms, with the queues it met (RFC 6298, section 2); 0 before the first sample. */
  smoothedRoundTripMs = 0
  /** Highest recent delivery rate in bytes per ms. */
  rate = 0

  private phase: Phase = 'startup'
  private delivered = 0
  private deliveredAt = 0
  private firstSentAt = 0
  /** Bytes sent and not acknowledged on this link. */
  inFlight = 0
  /** Until `delivered` is beyond this, samples say how much there was to send, not what the line can take. */
  private appLimitedUntil = -1

  private round = 0
  private roundEndsAt = 0
  private phaseRound = 0
  /** How far round trips lie from the usual one: waiting that is no queue of the line. */
  private roundTripDeviationMs = 0
  /** Lowest round trip of this round. */
  private roundTripOfRound = Number.POSITIVE_INFINITY
  private slackBytes = FIRST_SLACK_BYTES
  private isShared = false
  private sharedUntil = 0
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
    record.isAppLimited = this.delivered <= this.appLimitedUntil
  }

  /** The cap would let more go: there is nothing more to send, or the link takes no more for now. */
  ranDry(): void {
    this.appLimitedUntil = this.delivered + this.inFlight
  }

  /** Something small goes out while bulk is under way. */
  shared(now: number): void {
    this.isShared = true
    this.sharedUntil = now + SHARED_MS
  }

  /** Notes that all batches up to this one were acknowledged; `bytes`: of those that this acknowledgement added. */
  acknowledged(newest: SentRecord, bytes: number, now: number): void {
    this.inFlight -= bytes
    this.delivered += bytes
    this.deliveredAt = now
    const roundTrip = now - newest.sentAt
    this.sampleRoundTrip(roundTrip, now)
    if (roundTrip < this.roundTripOfRound) this.roundTripOfRound = roundTrip
    const elapsed = Math.max(newest.sentAt - newest.firstSentAt, now - newest.deliveredAt)
    this.firstSentAt = newest.sentAt
    if (elapsed > 0 && elapsed >= this.roundTripMs) {
      const rate = (this.delivered - newest.delivered) / elapsed
      if (!newest.isAppLimited || rate > this.rate) this.sampleRate(rate, now)
    }
    if (this.isShared && now > this.sharedUntil) this.isShared = false
    if (newest.delivered >= this.roundEndsAt) {
      this.roundEndsAt = this.delivered
      this.round++
      this.endRound(newest.isAppLimited)
      this.roundTripOfRound = Number.POSITIVE_INFINITY
    }
    this.capBytes = this.cap()
  }

  private sampleRoundTrip(roundTrip: number, now: number): void {
    const error = roundTrip - this.smoothedRoundTripMs
    if (this.smoothedRoundTripMs === 0) this.smoothedRoundTripMs = roundTrip
    else {
      this.smoothedRoundTripMs += error * SMOOTHING
      this.roundTripDeviationMs += (Math.abs(error) - this.roundTripDeviationMs) * DEVIATION_SMOOTHING
    }
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

  private endRound(isAppLimited: boolean): void {
    const rounds = this.round - this.phaseRound
    switch (this.phase) {
      case 'startup':
        if (this.isQueueing || (!isAppLimited && this.isFull())) this.enter('drain')
        return
      case 'drain':
        this.enter('cruise')
        return
      case 'cruise':
        this.steerSlack(isAppLimited)
        if (rounds >= CRUISE_ROUNDS) this.enter('drain')
    }
  }

  /** Even the quickest batch of the round waited: the line is full, whatever made the sender pause. */
  private get isQueueing(): boolean {
    return this.roundTripOfRound > Math.max(this.roundTripMs, MIN_ROUND_TRIP_MS) * RISE_FACTOR + RISE_MS
  }

  private isFull(): boolean {
    if (this.rate >= this.fullRate * FULL_GROWTH) {
      this.fullRate = this.rate
      this.fullRounds = 0
      return false
    }
    return ++this.fullRounds >= FULL_ROUNDS
  }

  /** A round with too little to send says nothing about how much the line could have held. */
  private steerSlack(isAppLimited: boolean): void {
    const surplusMs = this.roundTripOfRound - this.roundTripMs - this.roundTripDeviationMs - this.queueTargetMs
    if (isAppLimited && surplusMs < 0) return
    const wanted = this.slackBytes - STEP_PART * this.rate * surplusMs
    const step = Math.min(Math.max(wanted, this.slackBytes / MAX_STEP), this.slackBytes * MAX_STEP)
    this.slackBytes = Math.min(Math.max(step, MIN_SLACK_BYTES), MAX_SLACK_BYTES)
  }

  private get queueTargetMs(): number {
    if (this.roundTripMs >= NEARBY_ROUND_TRIP_MS) return QUEUE_TARGET_MS
    return this.isShared ? SHARED_QUEUE_TARGET_MS : NEARBY_QUEUE_TARGET_MS
  }

  private enter(phase: Phase): void {
    this.phase = phase
    this.phaseRound = this.round
  }

  private cap(): number {
    const product = this.rate * Math.max(this.roundTripMs, this.isShared ? SHARED_ROUND_TRIP_MS : MIN_ROUND_TRIP_MS)
    const slack = this.phase === 'drain' ? 0 : this.slackBytes
    const floor = this.phase === 'startup' ? INITIAL_CAP_BYTES : MIN_SLACK_BYTES
    return Math.min(Math.max(GAIN[this.phase] * product + slack, floor), MAX_UNACKED_BYTES)
  }
}

const GAIN: Readonly<Record<Phase, number>> = {
  startup: STARTUP_GAIN,
  cruise: CRUISE_GAIN,
  drain: DRAIN_GAIN,
}
