// The server's database as another process sees it.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Only a failure waits for it. */
const EVENT_MS = 60_000
const LOOK_MS = 20

/** What SQLite itself thinks of the database: `ok`, or what is wrong. */
export function integrityOf(dataDir: string): string {
  return String(query(dataDir, 'PRAGMA integrity_check')[0]?.integrity_check)
}

/** The subdomains that are remembered. */
export function labelsIn(dataDir: string): Set<string> {
  return new Set(
    query(dataDir, "SELECT address FROM addresses WHERE address NOT LIKE '%:%' AND address NOT LIKE '%.%'").map(
      ({ address }) => String(address),
    ),
  )
}

/** The public ports that are remembered, as `tcp:20022`. */
export function portsIn(dataDir: string): Set<string> {
  return new Set(
    query(dataDir, "SELECT address FROM addresses WHERE address LIKE '%:%'").map(({ address }) => String(address)),
  )
}

/** What is kept of the tokens. */
export function tokenHashesIn(dataDir: string): string[] {
  return query(dataDir, 'SELECT hash FROM tokens').map(({ hash }) => String(hash))
}

export interface EventRow {
  readonly number: number
  readonly at: string
  readonly kind: string
  readonly subject: string
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
}

/** Every event that is kept, the oldest first. */
export function eventsIn(dataDir: string): EventRow[] {
  return query(dataDir, 'SELECT * FROM events ORDER BY number').map(row => ({
    ...{ number: Number(row.number), at: String(row.at), kind: String(row.kind) },
    ...{ subject: String(row.subject), message: String(row.message) },
    fields: JSON.parse(String(row.fields)),
  }))
}

/** What `find` finds in the events that are kept, as soon as it does; they are written a moment after they happened. */
export async function eventual<T>(dataDir: string, find: (events: EventRow[]) => T | undefined): Promise<T> {
  const deadline = performance.now() + EVENT_MS
  for (;;) {
    const events = eventsIn(dataDir)
    const found = find(events)
    if (found !== undefined) return found
    if (performance.now() > deadline) {
      throw new Error(`not told: ${find}\n${events.map(({ kind, message }) => `${kind}: ${message}`).join('\n')}`)
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}

/** The clients that are kept. */
export function clientsIn(dataDir: string): Record<string, unknown>[] {
  return query(dataDir, 'SELECT * FROM clients ORDER BY id')
}

/** The digests of tokens that have no end. */
export function validTokensIn(dataDir: string): string[] {
  return query(dataDir, 'SELECT hash FROM tokens WHERE endsAt IS NULL').map(({ hash }) => String(hash))
}

function query(dataDir: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(dataDir, 'pbt.db'), { readOnly: true })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}
