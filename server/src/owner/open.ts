// Opens what tells of what happens: the bus of events, those who were turned away, and what the relay has to tell.
import type { Clock } from '@pbt/proto'
import type { VisitEnd } from '../observe/access-record.ts'
import { printable } from '../observe/lines.ts'
import type { Log } from '../observe/log.ts'
import type { Refusals } from '../observe/refusals.ts'
import type { ClientRecords } from './client-records.ts'
import type { EventRecords, Tell } from './event.ts'
import { Events } from './events.ts'
import { certificates } from './happenings.ts'
import { RefusalEvents } from './refusal-events.ts'
import { NewsDesk } from './relay-news.ts'

/** Where events and clients are kept, and where faults are logged. */
export interface EventOptions {
  readonly store: { readonly events: EventRecords; readonly clients: ClientRecords }
  /** What is remembered of refusals. */
  readonly turnedAway: Pick<Refusals, 'note'>
  readonly clock: Clock
  readonly log: Log
}

/** Call `end` once, after the last of what can happen. */
export interface OpenEvents {
  readonly events: Events
  readonly refusals: RefusalEvents
  /** What the relay tells. */
  readonly news: NewsDesk
  /** The edge turned a visitor away. Called for each one of a flood. */
  readonly visitRefused: (visit: VisitEnd) => void
  /** Resolves when all that was told is kept, as far as the database takes it in time. */
  end(): Promise<void>
}

/** Rejects when the database cannot be read. */
export async function openEvents({ store, turnedAway, clock, log }: EventOptions): Promise<OpenEvents> {
  const events = await Events.open({ records: store.events, clock, log })
  const refusals = new RefusalEvents({ tell: events.tell, clock })
  const news = new NewsDesk({ tell: events.tell, refusals, turnedAway, clients: store.clients, clock, log })
  const visitRefused = (visit: VisitEnd) => {
    const { visitor, tunnel, reason } = visit
    // The relay tells of these, of datagrams too.
    if (reason !== 'not-allowed') {
      refusals.refused({ peer: visitor, tunnel, rule: reason, summary: () => printable(visit.summary) })
    }
  }
  const end = async () => {
    refusals.end()
    await Promise.all([news.end(), events.end()])
  }
  return { events, refusals, news, visitRefused, end }
}

/** Tells, each time it is called, what is wrong with certificates, where that has changed. */
export function tellingFaults(faults: () => readonly string[], tell: Tell): () => void {
  let told = ''
  return () => {
    const now = faults()
    if (now.join('\n') !== told) tell(certificates(now))
    told = now.join('\n')
  }
}
