// Which ids of handshakes went through a port lately, in either direction: what a target sends is news to its visitor only if it
// is none of them. A Bloom filter of two generations: it never takes a seen one for new, and hardly ever a new one for seen.
import type { Clock } from '@pbt/proto'
import { lengthOf, offsetOf, type Place } from '../handshakes.ts'

/** Bits for the ids of handshakes that went through a port, in each of two generations: 8 KiB. */
const FILTER_BITS = 65_536
/** Of them for each id. */
const MARKS = 4
/** Ids of a generation; then the next begins. One new id in 400 is taken for seen until then, and its handshake shows nothing. */
const MAX_GENERATION_IDS = 4_096
/** A generation is at least so old: a peer that sends many ids within the time in which an answer comes cannot make an old one new. */
const LEAST_GENERATION_MS = 60_000
/** And at most so old: there are targets (boringtun) that give each peer the same 256 ids in turn, eight hours' worth. */
const MOST_GENERATION_MS = 3_600_000

const WORDS = FILTER_BITS / 32

/** Fixed in size. May take a new id for a seen one, but no recently seen one for new. */
export class SeenIds {
  private readonly clock: Clock
  // Both empty until there is an id: most ports never see one.
  private young: Uint32Array | undefined
  private old: Uint32Array | undefined
  private count = 0
  private since = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Remembers the id that stands there, and tells whether it had not been seen. */
  add(datagram: Buffer, place: Place): boolean {
    const { young, old } = this.generations()
    const [start, end] = [offsetOf(place), offsetOf(place) + lengthOf(place)]
    const first = hash(datagram, start, end, 0x811c_9dc5)
    // Odd, so that the marks of an id differ.
    const step = hash(datagram, start, end, 0x9747_b28c) | 1
    let [isYoung, isOld] = [true, true]
    for (let mark = 0; mark < MARKS; mark++) {
      const bit = (first + Math.imul(mark, step)) & (FILTER_BITS - 1)
      const word = bit >>> 5
      const mask = 1 << (bit & 31)
      const marked = young[word] ?? 0
      if ((marked & mask) === 0) {
        isYoung = false
        young[word] = marked | mask
      }
      if (((old[word] ?? 0) & mask) === 0) isOld = false
    }
    if (!isYoung) this.count++
    return !isYoung && !isOld
  }

  private generations(): { readonly young: Uint32Array; readonly old: Uint32Array } {
    const now = this.clock.now()
    let { young, old } = this
    const age = now - this.since
    if (young === undefined || old === undefined) {
      young = new Uint32Array(WORDS)
      old = new Uint32Array(WORDS)
      this.since = now
    } else if (age >= MOST_GENERATION_MS || (this.count >= MAX_GENERATION_IDS && age >= LEAST_GENERATION_MS)) {
      const emptied = old.fill(0)
      old = young
      young = emptied
      this.count = 0
      this.since = now
    }
    this.young = young
    this.old = old
    return { young, old }
  }
}

/** FNV-1a, mixed at its end (the finalizer of MurmurHash3): the ids are random, or chosen by a peer that gains nothing by it. */
function hash(datagram: Buffer, start: number, end: number, seed: number): number {
  let value = seed ^ (end - start)
  for (let at = start; at < end; at++) value = Math.imul(value ^ (datagram[at] ?? 0), 0x0100_0193)
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return value ^ (value >>> 16)
}
