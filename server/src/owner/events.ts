// The one bus of events: what happens is told here, the database gives it a number, and readers have it from there.
import type { Clock, Timer } from '@pbt/proto'
import type { Fields } from '../observe/log.ts'
import { type EventRecords, type Happening, type KeptEvent, type NewEvent, newEvent } from './event.ts'
import { EventReader } from './event-reader.ts'
import { WriteBehind } from './write-behind.ts'

/** How many events are kept, and for how long. */
export const MAX_EVENTS = 100_000
/** Older events are forgotten, also when there is room. */
export const EVENT_DAYS = 30

/** The newest ones, for readers that are up to date. */
const RECENT = 1_000
/** Read at once when another process has written. */
const PAGE = 500
/** How often the oldest are forgotten, milliseconds; sooner after so many. */
const PRUNE_MS = 600_000
const PRUNE_EVENTS = 1_000
const DAY_MS = 86_400_000

/** Where lines go: a log of the server's. */
export interface EventLog {
  error(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
}

/** Told in the log by the room where they happen, in more words. */
const LOGGED_ELSEWHERE =
  /^(client\.(lost|gone)|tunnel\.(online|refused)|visitor\.|token\.refused|panel\.refused|server\.)/

/** Where events are kept, the clocks, and where faults are logged. */
export interface EventsOptions {
  readonly records: EventRecords
  readonly clock: Clock
  readonly log: EventLog
  /** The time of day. */
  readonly now?: () => Date
}

/** Numbers grow by one without gaps, over all processes that write. */
export class Events {
  readonly clock: Clock
  private readonly options: EventsOptions
  private readonly now: () => Date
  private readonly queue: WriteBehind<NewEvent>
  private newest: number
  /** The newest ones without gaps, the last one is `newest`. */
  private recent: KeptEvent[] = []
  private readonly readers = new Set<EventReader>()
  /** One at a time: what is written is told, then what another process wrote is looked for. */
  private turn: Promise<unknown> = Promise.resolve()
  private sincePrune = 0
  private pruning: Timer | undefined
  private isOver = false

  private constructor(options: EventsOptions, newest: number) {
    this.options = options
    this.clock = options.clock
    this.now = options.now ?? (() => new Date())
    this.newest = newest
    this.queue = new WriteBehind({
      write: batch => this.inTurn(() => this.write(batch)),
      onFailure: error => options.log.error('events cannot be written and are queued', { error: String(error) }),
      onRecovery: lost => this.recovered(lost),
      clock: options.clock,
    })
    this.planPrune(0)
  }

  /** Numbers go on where the last process ended. Rejects when they cannot be read. */
  static async open(options: EventsOptions): Promise<Events> {
    return new Events(options, await options.records.last())
  }

  /** The newest number that is known here. */
  get last(): number {
    return this.newest
  }

  /** Events that had to go because the database did not take them. */
  get lost(): number {
    return this.queue.lost
  }

  /** Readers at the moment. */
  get readerCount(): number {
    return this.readers.size
  }

  /** Something happened. Never throws and waits for nothing: it gets its number, and readers get it, within a moment. */
  readonly tell = (happening: Happening): void => {
    if (this.isOver) return
    const { kind, subject, message, fields } = happening
    if (!LOGGED_ELSEWHERE.test(kind)) this.options.log.info('event', { ...fields, kind, subject, what: message })
    this.queue.add(newEvent(happening, this.now()))
  }

  /** A reader that knows everything up to this number and gets all that comes after it, each once. Ends with `end`. */
  reader(after = this.newest): EventReader {
    const reader: EventReader = new EventReader(this, after, () => this.readers.delete(reader))
    this.readers.add(reader)
    if (this.isOver) reader.end()
    return reader
  }

  /** Those after a number, the oldest first, at most `most`: as long as they are kept, and from the database where they are older. */
  async after(number: number, most: number): Promise<readonly KeptEvent[]> {
    const [oldest] = this.recent
    if (oldest === undefined || number + 1 < oldest.number) return await this.options.records.after(number, most)
    const from = number + 1 - oldest.number
    return this.recent.slice(from, from + most)
  }

  /** The history of a client before a number, the newest first. */
  async ofClient(client: string, before: number, most: number): Promise<KeptEvent[]> {
    return await this.options.records.ofClient(client, before, most)
  }

  /** Another process may have written: resolves when its events are told here. Rejects when they cannot be read. */
  async look(): Promise<void> {
    await this.inTurn(() => this.catchUp())
  }

  /** Resolves when all that was told has its number, or could not be written, at the latest after `limitMs`. */
  async flush(limitMs = 10_000): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = this.clock.after(limitMs, late.resolve)
    await Promise.race([this.queue.flush(), late.promise])
    timer.clear()
  }

  /** Takes nothing more; resolves when what was told is written, as far as the database takes it in time. Readers are over. */
  async end(): Promise<void> {
    await this.queue.end()
    this.isOver = true
    this.pruning?.clear()
    await this.turn
    for (const reader of this.readers) reader.end()
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work)
    this.turn = result.catch(() => {})
    return result
  }

  private async write(batch: readonly NewEvent[]): Promise<void> {
    const first = await this.options.records.append(batch)
    // Whatever happens from here on, they are kept.
    if (first === this.newest + 1) this.publish(batch.map((event, index) => ({ ...event, number: first + index })))
    else await this.catchUp().catch(() => {})
    this.sincePrune += batch.length
    if (this.sincePrune >= PRUNE_EVENTS) this.planPrune(0)
  }

  private async catchUp(): Promise<void> {
    for (;;) {
      const some = await this.options.records.after(this.newest, PAGE)
      if (some.length > 0) this.publish(some)
      if (some.length < PAGE) return
    }
  }

  private publish(events: readonly KeptEvent[]): void {
    const first = events[0]?.number ?? 0
    // Some were forgotten before they were read here: readers notice by the number.
    if (first !== this.newest + 1) this.recent = []
    this.recent.push(...events)
    if (this.recent.length > 2 * RECENT) this.recent = this.recent.slice(-RECENT)
    this.newest = events.at(-1)?.number ?? this.newest
    for (const reader of this.readers) reader.wake()
  }

  private recovered(lost: number): void {
    this.options.log.info('events are written again', { lost })
    if (lost === 0) return
    this.tell({
      kind: 'server.events-lost',
      subject: 'pbt-server',
      message: `${lost} events could not be stored: the database did not accept them`,
      fields: { count: String(lost) },
    })
  }

  private planPrune(ms: number): void {
    this.pruning?.clear()
    this.sincePrune = 0
    if (this.isOver) return
    this.pruning = this.clock.after(ms, () => {
      const since = new Date(this.now().getTime() - EVENT_DAYS * DAY_MS)
      this.inTurn(() => this.options.records.prune({ count: MAX_EVENTS, since })).then(
        isMore => this.planPrune(isMore ? 50 : PRUNE_MS),
        // The database's fault: told when events cannot be written.
        () => this.planPrune(PRUNE_MS),
      )
    })
  }
}
