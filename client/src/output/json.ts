// Output for programs: one JSON object a line, many requests in one write.
import type { ChannelKind, Clock, Timer } from '@pbt/proto'
import type { ClientEvent } from '../tunnels/events.ts'
import { MAX_KEPT, type RequestRecord } from '../tunnels/requests.ts'
import { addressOf } from './text.ts'

/** Requests, connections and flows are written together this often: a busy tunnel has thousands a second. */
const WRITE_EVERY_MS = 100
/** Or when so much waits. */
const WRITE_AT_CHARS = 64 * 1024

/** Events that are not the agent's: what visitors do. `docs/commands.md` lists their fields. */
export type VisitEvent = 'request' | 'connection' | 'flow'

const EVENT = { http: 'request', tcp: 'connection', udp: 'flow' } as const satisfies Record<ChannelKind, VisitEvent>

/** Events are written at once and in order; what visitors do may be written a moment later. */
export class JsonLines {
  private readonly clock: Clock
  private readonly wallTime: () => number
  private readonly write: (text: string, isMinor?: boolean) => void
  /** The tunnels' names, by their numbers. */
  private readonly names = new Map<number, string>()
  private waiting = ''
  private timer: Timer | undefined
  private timeAt = Number.NaN
  private timeText = ''

  /** `wallTime`: milliseconds since the epoch. `write`: what visitors do is minor, it leaves room to the agent's events. */
  constructor(clock: Clock, wallTime: () => number, write: (text: string, isMinor?: boolean) => void) {
    this.clock = clock
    this.wallTime = wallTime
    this.write = write
  }

  event(event: ClientEvent): void {
    if (event.event === 'online' || event.event === 'waiting') this.names.set(event.number, event.tunnel)
    else if (event.event === 'removed') this.names.delete(event.number)
    const { event: name, ...fields } = event
    this.flush()
    this.write(jsonLine(name, this.wallTime(), fields))
  }

  /** A connection or flow of the tunnel with this number has begun. */
  opened(number: number, kind: ChannelKind, visitor: string): void {
    const tunnel = this.names.get(number) ?? ''
    const fields = { number, tunnel, state: 'open', ...visitorOf(visitor), ms: 0, bytesIn: 0, bytesOut: 0 }
    this.later(jsonLine(EVENT[kind], this.wallTime(), fields))
  }

  /** A request, connection or flow of the tunnel with this number is over. */
  request(number: number, record: RequestRecord): void {
    if (record.status !== undefined) {
      this.later(this.requestLine(number, record))
      return
    }
    const { method, durationMs, bytesIn, bytesOut, visitor, dropped, fault } = record
    const tunnel = this.names.get(number) ?? ''
    const sums = { ms: tenths(durationMs), bytesIn, bytesOut }
    const fields = { number, tunnel, state: 'closed', ...visitorOf(visitor), ...sums, reason: fault }
    const isFlow = method === 'UDP'
    const all = isFlow ? { ...fields, dropped } : fields
    this.later(jsonLine(isFlow ? 'flow' : 'connection', this.wallTime(), all))
  }

  /** By hand: there are thousands a second, and making objects for them to be written costs five times as much. */
  private requestLine(number: number, record: RequestRecord): string {
    const { method, path, status, durationMs, bytesIn, bytesOut, visitor, fault } = record
    const tunnel = quoted(this.names.get(number) ?? '')
    const asked = `"method":${quoted(method.slice(0, MAX_KEPT))},"path":${quoted(path.slice(0, MAX_KEPT))}`
    const sums = `"ms":${tenths(durationMs)},"bytesIn":${bytesIn},"bytesOut":${bytesOut}`
    const end = `"visitor":${quoted(addressOf(visitor))},"reason":${quoted(fault)}`
    return `{"event":"request","time":"${this.time()}","number":${number},"tunnel":${tunnel},${asked},"status":${status},${sums},${end}}\n`
  }

  /** The same text for all of a millisecond. */
  private time(): string {
    const now = this.wallTime()
    if (now !== this.timeAt) {
      this.timeAt = now
      this.timeText = new Date(now).toISOString()
    }
    return this.timeText
  }

  /** Writes what waits. */
  flush(): void {
    this.timer?.clear()
    this.timer = undefined
    const all = this.waiting
    this.waiting = ''
    if (all !== '') this.write(all, true)
  }

  private later(line: string): void {
    this.waiting += line
    if (this.waiting.length >= WRITE_AT_CHARS) this.flush()
    else this.timer ??= this.clock.after(WRITE_EVERY_MS, () => this.flush())
  }
}

function visitorOf(visitor: string): { visitor: string; visitorPort: number } {
  return { visitor: addressOf(visitor), visitorPort: Number(/:(\d+)$/.exec(visitor)?.[1] ?? 0) }
}

/** Milliseconds, to a tenth. */
function tenths(ms: number): number {
  return Math.round(ms * 10) / 10
}

const PLAIN = /^[\x20!#-[\]-~]*$/

/** A string in JSON. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** One line for a program. `epochMs`: when it happened. */
export function jsonLine(event: string, epochMs: number, fields: object): string {
  return `${JSON.stringify({ event, time: new Date(epochMs).toISOString(), ...fields })}\n`
}
