// Output without a terminal: a line an event, and requests as far as anybody could read them.
import type { Clock } from '@pbt/proto'
import type { ClientEvent } from '../tunnels/events.ts'
import { type RequestRecord, RequestRing } from '../tunnels/requests.ts'
import { sentence, troubleOf } from './sentence.ts'
import { formatBytes, formatDuration, safeOctets, safeReason } from './text.ts'

/** Requests are written together this often, so that a busy tunnel spends nothing on them. */
const REQUESTS_EVERY_MS = 1_000
/** More in one go are only counted. */
const REQUESTS_AT_ONCE = 20
/** An outage may last for days: it is told once, and then not more often than this. */
const OUTAGE_EVERY_MS = 60_000

/** Events are written at once; requests are gathered for a moment, and in a flood only counted. */
export class Lines {
  private readonly clock: Clock
  private readonly write: (text: string) => void
  private readonly wallTime: () => number
  private readonly ring = new RequestRing()
  private written = 0
  private isPlanned = false
  /** What to do about the link, as it was told last. */
  private toldCure = ''
  private outageToldAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, wallTime: () => number, write: (text: string) => void) {
    this.clock = clock
    this.wallTime = wallTime
    this.write = write
  }

  event(event: ClientEvent): void {
    if (!this.isNews(event)) return
    this.flush()
    const [line = '', ...cures] = sentence(this.withoutToldCure(event)).split('\n')
    this.write([`${this.stamp(this.wallTime())} ${line}`, ...cures, ''].join('\n'))
  }

  /** Not one more try among many. */
  private isNews({ event }: ClientEvent): boolean {
    if (event === 'connected' || event === 'resumed') this.outageToldAt = Number.NEGATIVE_INFINITY
    if (event !== 'reconnecting') return true
    const now = this.clock.now()
    if (now - this.outageToldAt < OUTAGE_EVERY_MS) return false
    this.outageToldAt = now
    return true
  }

  /** While it tries again and again for one reason, what to do is told once. */
  private withoutToldCure(event: ClientEvent): ClientEvent {
    if (event.event === 'connected' || event.event === 'resumed') this.toldCure = ''
    if (event.event !== 'reconnecting' || event.cure === '') return event
    if (event.cure === this.toldCure) return { ...event, cure: '' }
    this.toldCure = event.cure
    return event
  }

  /** `tunnel`: its number. */
  request(tunnel: number, record: RequestRecord): void {
    this.ring.push(tunnel, record)
    if (this.isPlanned) return
    this.isPlanned = true
    this.clock.after(REQUESTS_EVERY_MS, () => this.flush())
  }

  /** Writes what waits. */
  flush(): void {
    this.isPlanned = false
    const { count } = this.ring
    if (count === this.written) return
    const shown = this.ring.newest(REQUESTS_AT_ONCE, this.written).reverse()
    const more = count - this.written - shown.length
    this.written = count
    const lines = shown.map(({ record }) => `${this.stamp(record.startedAt)} ${requestLine(record)}\n`)
    if (more > 0) lines.unshift(`${this.stamp(this.wallTime())} ${more} more requests\n`)
    this.write(lines.join(''))
  }

  private stamp(epochMs: number): string {
    return new Date(epochMs).toISOString()
  }
}

function requestLine(record: RequestRecord): string {
  const { method, path, status, durationMs, bytesIn, bytesOut } = record
  const trouble = troubleOf(record)
  const result = status === undefined ? '' : status === 0 ? ' no response' : ` ${status}`
  const end = trouble === '' ? '' : ` (${safeReason(trouble)})`
  return `${safeOctets(method)} ${safeOctets(path)}${result} ${formatDuration(durationMs)}, ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out${end}`
}
