// Who was turned away, told so that no flood of them fills the events: the first of a peer, a tunnel and a rule at once, then one a minute with
// how often; and when there are too many of those, one a minute for all the others together.
import { Allowance, type Clock, type Timer } from '@pbt/proto'
import type { EventKind, Tell } from './event.ts'

/** Between two events of the same peer, tunnel and rule, milliseconds. */
const QUIET_MS = 60_000
/** How often it is looked whose time has come, milliseconds. */
const LOOK_MS = 10_000
/** Between two events that tell all others together, milliseconds. */
const OTHERS_MS = 300_000
/** Peers, tunnels and rules that are kept apart at once; more are only counted. About 1 MB. */
const MAX_KEPT = 2_000
/** Events at once, and a second in the long run: a month of them leaves most of the room for everything else. */
const BURST = 60
const A_SECOND = 1 / 120

/** Why, and the kind of event that tells it; what is not here is not told. */
const KINDS: Readonly<Record<string, EventKind>> = {
  'not-allowed': 'visitor.refused',
  'unknown-host': 'visitor.refused',
  offline: 'visitor.refused',
  paused: 'visitor.refused',
  limited: 'visitor.refused',
  'token-refused': 'token.refused',
  'login-refused': 'panel.refused',
}

/** One visitor or login that was turned away; `rule` says why, as a code. */
export interface Refused {
  /** The peer's address, without the port. */
  readonly peer: string
  /** '' for none. */
  readonly tunnel: string
  readonly rule: string
  /** What was asked for; asked only when it is told. */
  readonly summary?: () => string
}

interface Kept extends Refused {
  /** Since it was told last. */
  count: number
  toldAt: number
}

/** Where events are told, and the clock. */
export interface RefusalEventsOptions {
  readonly tell: Tell
  readonly clock: Clock
}

/** Bounded in memory and in events, whatever comes. */
export class RefusalEvents {
  private readonly options: RefusalEventsOptions
  private readonly kept = new Map<string, Kept>()
  private readonly budget: Allowance
  /** That were not told one by one, since it was told last. */
  private others = 0
  private othersToldAt = Number.NEGATIVE_INFINITY
  private timer: Timer | undefined
  private isOver = false

  constructor(options: RefusalEventsOptions) {
    this.options = options
    this.budget = new Allowance(options.clock, BURST, A_SECOND)
  }

  /** Called for each one of a flood: a look into a map. */
  refused(refused: Refused): void {
    const { peer, tunnel, rule } = refused
    if (this.isOver || KINDS[rule] === undefined) return
    const key = `${rule} ${peer} ${tunnel}`
    const known = this.kept.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    this.timer ??= this.options.clock.after(LOOK_MS, () => this.look())
    if (this.kept.size >= MAX_KEPT) {
      this.others++
      return
    }
    this.kept.set(key, { peer, tunnel, rule, count: 0, toldAt: this.options.clock.now() })
    this.tell(refused, 1)
  }

  /** Tells what is left. */
  end(): void {
    if (this.isOver) return
    for (const kept of this.kept.values()) if (kept.count > 0) this.tell(kept, kept.count)
    this.tellOthers()
    this.isOver = true
    this.timer?.clear()
  }

  private look(): void {
    this.timer = undefined
    const now = this.options.clock.now()
    for (const [key, kept] of this.kept) {
      if (now - kept.toldAt < QUIET_MS) continue
      if (kept.count === 0) this.kept.delete(key)
      else this.tell(kept, kept.count)
      kept.count = 0
      kept.toldAt = now
    }
    if (now - this.othersToldAt >= OTHERS_MS) this.tellOthers()
    if (this.kept.size > 0 || this.others > 0) this.timer = this.options.clock.after(LOOK_MS, () => this.look())
  }

  private tell({ peer, tunnel, rule, summary }: Refused, count: number): void {
    const kind = KINDS[rule]
    if (kind === undefined) return
    if (!this.budget.spend(1)) {
      this.others += count
      return
    }
    const asked = summary?.() ?? ''
    const fields: Record<string, string> = { peer, rule, count: String(count) }
    if (tunnel !== '') fields.tunnel = tunnel
    if (asked !== '') fields.summary = asked
    this.options.tell({
      kind,
      subject: tunnel || peer,
      message: `${peer} ${wordsOf(rule, tunnel)}${times(count)}`,
      fields,
    })
  }

  private tellOthers(): void {
    const count = this.others
    this.others = 0
    if (count === 0) return
    this.othersToldAt = this.options.clock.now()
    const message = `${count} more visits or tokens were refused lately, from too many addresses to list`
    this.options.tell({ kind: 'visitor.many-refused', subject: 'visitors', message, fields: { count: String(count) } })
  }
}

function times(count: number): string {
  return count === 1 ? '' : `, ${count} times`
}

function wordsOf(rule: string, tunnel: string): string {
  const name = tunnel === '' ? 'a tunnel' : tunnel
  switch (rule) {
    case 'not-allowed':
      return `may not visit ${name}`
    case 'unknown-host':
      return 'asked for an unknown name'
    case 'offline':
      return `found ${name} offline`
    case 'paused':
      return `found ${name} paused`
    case 'limited':
      return 'exceeded a limit'
    case 'token-refused':
      return 'presented an invalid token'
    default:
      return 'failed to log in to the panel'
  }
}
