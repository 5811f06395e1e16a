// The last requests, connections and flows, kept in a ring: what the hot path pays for being shown is one store.
import type { RequestRecord } from '../forward/record.ts'

export type { RequestRecord } from '../forward/record.ts'

/** As many as the tallest terminal shows. */
const KEPT = 256

/**
 * What is kept of a text that a stranger wrote, in characters: as much as the server's access log keeps. A visitor may send
 * addresses of 12 KiB, thousands a second.
 */
export const MAX_KEPT = 300

/** One more tells that there was more. A part of a string keeps all of it, so this is a copy. */
function kept(text: string): string {
  return text.length <= MAX_KEPT + 1 ? text : Buffer.from(text.slice(0, MAX_KEPT + 1), 'utf16le').toString('utf16le')
}

function isLong({ method, path, fault }: RequestRecord): boolean {
  return method.length + path.length + fault.length > MAX_KEPT
}

function shortOf(record: RequestRecord): RequestRecord {
  const { method, path, fault } = record
  return { ...record, method: kept(method), path: kept(path), fault: kept(fault) }
}

/** One of those, with the number of its tunnel. */
export interface Seen {
  readonly tunnel: number
  readonly record: RequestRecord
}

/** Of bounded size: the oldest record goes when a new one comes. */
export class RequestRing {
  /** Requests ever seen. */
  count = 0
  private readonly ring: (RequestRecord | undefined)[] = new Array(KEPT).fill(undefined)
  private readonly tunnels = new Float64Array(KEPT)

  /** `tunnel`: its number. */
  push(tunnel: number, record: RequestRecord): void {
    const place = this.count++ % KEPT
    this.tunnels[place] = tunnel
    this.ring[place] = isLong(record) ? shortOf(record) : record
  }

  /** Up to `most` records after the first `seen` ones, newest first. */
  newest(most: number, seen = 0): Seen[] {
    const records: Seen[] = []
    const oldest = Math.max(seen, this.count - Math.min(most, KEPT))
    for (let index = this.count - 1; index >= oldest; index--) {
      const record = this.ring[index % KEPT]
      if (record !== undefined) records.push({ tunnel: this.tunnels[index % KEPT] ?? 0, record })
    }
    return records
  }
}
