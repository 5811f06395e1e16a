// Visitors that were refused lately, by which rule: a bounded number of groups in memory. A flood costs a look at a map.
import { MAX_FIELD_CHARS, printable } from './lines.ts'

/** Groups kept; the one whose last refusal is oldest makes room. About 1 MiB. */
const MAX_GROUPS = 2_000
/** Groups of one source, which may have any number of addresses (an IPv6 subscriber) and not drive out those of others. */
const MAX_GROUPS_PER_SOURCE = 32
/** Groups made in a second: a flood from forged addresses needs more than all refusals that are true. */
const MAX_NEW_PER_SECOND = 50
/** A group that was silent for as long starts again, milliseconds. */
const FORGET_MS = 3_600_000
/** One that is refused again within this time, milliseconds, keeps its place and what it asked for: a flood costs a count. */
const SETTLE_MS = 1_000
/** More than this many refusals of a group within an hour look like guessing. */
export const GUESSES_AN_HOUR = 20

/** The rule that refused: rules are told to programs. */
export type RefusalRule =
  | 'not-allowed'
  | 'unknown-host'
  | 'offline'
  | 'paused'
  | 'limited'
  | 'token-refused'
  | 'login-refused'

/** Why a visit was refused, where that is a rule; all else says nothing of the visitor. */
const RULES: Readonly<Record<string, RefusalRule>> = {
  'not-allowed': 'not-allowed',
  'unknown-host': 'unknown-host',
  unknown: 'unknown-host',
  offline: 'offline',
  paused: 'paused',
  limited: 'limited',
}

/** The refusals of one peer at one tunnel by one rule. */
export interface RefusalGroup {
  readonly peer: string
  /** Empty: none. */
  readonly tunnel: string
  readonly rule: RefusalRule
  readonly count: number
  /** Milliseconds since 1970. */
  readonly firstAt: number
  readonly lastAt: number
  /** What it asked for last, to a second; may be empty. */
  readonly summary: string
  readonly looksLikeGuessing: boolean
}

/** Recent refusals, grouped by visitor, tunnel and rule. */
export interface RefusalList {
  /** The latest first. */
  readonly groups: readonly RefusalGroup[]
  /** Refusals since the start that are in no group: there were too many. */
  readonly unlisted: number
}

/** What is asked for, when somebody wants to know. */
interface Asked {
  readonly summary: string
}

const NOTHING: Asked = { summary: '' }

interface Group {
  readonly peer: string
  readonly tunnel: string
  readonly rule: RefusalRule
  readonly source: string
  count: number
  firstAt: number
  lastAt: number
  /** When it got its place in the order, and its summary. */
  placedAt: number
  summary: string
  /** When the latest ones came, a ring of GUESSES_AN_HOUR + 1. */
  readonly times: number[]
  isGuessing: boolean
}

/** Groups refusals by visitor, tunnel and rule, in memory only. */
export class Refusals {
  /** Those whose last refusal is oldest first, to SETTLE_MS. */
  private readonly groups = new Map<string, Group>()
  private readonly bySource = new Map<string, number>()
  private readonly sourceOf: (peer: string) => string
  private unlisted = 0
  private newLeft = MAX_NEW_PER_SECOND
  private newSince = 0

  /** `sourceOf`: what is counted for an address, for example all of a subscriber's. */
  constructor(sourceOf: (peer: string) => string) {
    this.sourceOf = sourceOf
  }

  /** A visit was refused; counts when its reason is a rule. `summary` of `asked` is read once in a while. */
  visit(peer: string, tunnel: string, reason: string, asked: Asked = NOTHING): void {
    const rule = RULES[reason]
    if (rule !== undefined) this.note(peer, tunnel, rule, asked)
  }

  /** `peer` was turned away by `rule`; tunnel '': none. */
  note(peer: string, tunnel: string, rule: RefusalRule, asked: Asked = NOTHING): void {
    const now = Date.now()
    const key = `${peer} ${rule} ${tunnel}`
    const known = this.groups.get(key)
    const group = known ?? this.add(key, peer, tunnel, rule, now)
    if (group === undefined) {
      this.unlisted++
      return
    }
    if (known === undefined || now - group.placedAt >= SETTLE_MS) {
      this.groups.delete(key)
      this.groups.set(key, group)
      group.placedAt = now
      if (now - group.lastAt > FORGET_MS) beginAnew(group, now)
      group.summary = printable(asked.summary.slice(0, MAX_FIELD_CHARS))
    }
    group.times[group.count % (GUESSES_AN_HOUR + 1)] = now
    group.count++
    group.lastAt = now
    const oldest = group.times[group.count % (GUESSES_AN_HOUR + 1)]
    if (oldest !== undefined && now - oldest <= FORGET_MS) group.isGuessing = true
  }

  /** Those whose last refusal came at this time, milliseconds since 1970, or later. */
  since(at: number): RefusalList {
    const groups: RefusalGroup[] = []
    for (const { peer, tunnel, rule, count, firstAt, lastAt, summary, isGuessing } of this.groups.values()) {
      if (lastAt < at) continue
      groups.push({ peer, tunnel, rule, count, firstAt, lastAt, summary, looksLikeGuessing: isGuessing })
    }
    return { groups: groups.reverse().sort((one, other) => other.lastAt - one.lastAt), unlisted: this.unlisted }
  }

  private add(key: string, peer: string, tunnel: string, rule: RefusalRule, now: number): Group | undefined {
    if (Math.abs(now - this.newSince) >= 1_000) {
      this.newSince = now
      this.newLeft = MAX_NEW_PER_SECOND
    }
    if (this.newLeft === 0) return undefined
    this.newLeft--
    const source = this.sourceOf(peer)
    if ((this.bySource.get(source) ?? 0) >= MAX_GROUPS_PER_SOURCE) this.forgetOldest(source)
    else if (this.groups.size >= MAX_GROUPS) this.forgetOldest()
    const at = { firstAt: now, lastAt: now, placedAt: now }
    const group: Group = { peer, tunnel, rule, source, ...at, count: 0, summary: '', times: [], isGuessing: false }
    this.groups.set(key, group)
    this.bySource.set(source, (this.bySource.get(source) ?? 0) + 1)
    return group
  }

  /** Of all, or of this source. */
  private forgetOldest(ofSource?: string): void {
    for (const [key, { source }] of this.groups) {
      if (ofSource !== undefined && source !== ofSource) continue
      this.groups.delete(key)
      const left = (this.bySource.get(source) ?? 1) - 1
      if (left === 0) this.bySource.delete(source)
      else this.bySource.set(source, left)
      return
    }
  }
}

function beginAnew(group: Group, now: number): void {
  group.count = 0
  group.firstAt = now
  group.times.length = 0
  group.isGuessing = false
}
