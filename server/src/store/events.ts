// What happened, under numbers that grow by one. AUTOINCREMENT gives them within the transaction that keeps the events, and SQLite has one
// writer at a time: whatever process writes, numbers have no gaps and appear in their order.
import type { EventRecords, KeptEvent, NewEvent } from '../owner/event.ts'
import type { Event, PrismaClient } from './generated/client.ts'

/** Forgotten in one statement: a few milliseconds. */
const PORTION = 1_000

/** All methods reject with what the database says; nothing is kept in memory. */
export class EventTable implements EventRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Keeps them in this order, all or none, on disk when this resolves; the number of the first, the others follow it. */
  async append(events: readonly NewEvent[]): Promise<number> {
    const rows = events.map(event => ({ ...event, at: written(event.at), client: event.fields.client ?? '' }))
    const added = await this.prisma.$queryRaw<{ number: bigint | number }[]>`
      INSERT INTO events (at, kind, subject, message, fields, client)
      SELECT value ->> 'at', value ->> 'kind', value ->> 'subject', value ->> 'message', value -> 'fields', value ->> 'client'
      FROM json_each(${JSON.stringify(rows)}) ORDER BY key
      RETURNING number`
    return Math.min(...added.map(({ number }) => Number(number)))
  }

  /** Those after a number, the oldest first, at most `most`. */
  async after(number: number, most: number): Promise<KeptEvent[]> {
    const rows = await this.prisma.event.findMany({
      where: { number: { gt: number } },
      orderBy: { number: 'asc' },
      take: most,
    })
    return rows.map(kept)
  }

  /** The newest number there ever was; 0: none. */
  async last(): Promise<number> {
    const [row] = await this.prisma.$queryRaw<{ seq: bigint | number }[]>`
      SELECT seq FROM sqlite_sequence WHERE name = 'events'`
    return Number(row?.seq ?? 0)
  }

  /** Those of a client before a number, the newest first, at most `most`. */
  async ofClient(client: string, before: number, most: number): Promise<KeptEvent[]> {
    const rows = await this.prisma.event.findMany({
      where: { client, number: { lt: before } },
      orderBy: { number: 'desc' },
      take: most,
    })
    return rows.map(kept)
  }

  /**
   * Forgets the oldest, some at a time, until only `count` are left and none from before `since`; whether some may be left to forget. Always
   * from the first one on, so that what is left has no gaps however the system's clock was set.
   */
  async prune({ count, since }: { readonly count: number; readonly since: Date }): Promise<boolean> {
    const forgotten = await this.prisma.$executeRaw`
      WITH oldest AS (SELECT number, at FROM events ORDER BY number LIMIT ${PORTION})
      DELETE FROM events WHERE number IN (SELECT number FROM oldest) AND (
        number <= (SELECT max(number) FROM events) - ${count}
        OR number < coalesce((SELECT min(number) FROM oldest WHERE at >= ${written(since)}), ${Number.MAX_SAFE_INTEGER})
      )`
    return forgotten === PORTION
  }
}

function kept({ number, at, kind, subject, message, fields }: Event): KeptEvent {
  return { number, at, kind, subject, message, fields: textsIn(fields) }
}

/** Any text that stands in the column. */
function textsIn(json: string): Record<string, string> {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null) return {}
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, String(each)]))
  } catch {
    return {}
  }
}

/** As Prisma writes times, so that they compare as texts. */
function written(at: Date): string {
  return at.toISOString().replace('Z', '+00:00')
}
