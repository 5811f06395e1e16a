// The last requests, connections and flows, kept in a ring: what the hot path pays for being shown is one store.

import { keptToShow, MAX_SHOWN } from '../output/text.ts'

/** One request, connection or flow that is over. */
export interface RequestRecord {
  /** Milliseconds since the epoch when it began. */
  readonly startedAt: number
  readonly durationMs: number
  /** `TCP` and `UDP` for connections and flows. */
  readonly method: string
  /** Octets as the visitor sent them: unsafe to print. The visitor's address for connections and flows. */
  readonly path: string
  /** 0 when no response head was sent; undefined for connections and flows, which have none. */
  readonly status: number | undefined
  /** Body bytes from and to the visitor. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Datagrams of a flow, either way, for which there was no room here; 0 for others. */
  readonly dropped: number
  /** Why it did not end well; '' when it did. */
  readonly fault: string
}

/** What went wrong, in words; '' when nothing did. */
export function troubleOf({ fault, dropped }: RequestRecord): string {
  const drops = dropped === 0 ? '' : `${dropped} datagram${dropped === 1 ? '' : 's'} dropped`
  return fault === '' || drops === '' ? fault + drops : `${fault}, ${drops}`
}

/** As many as the tallest terminal shows. */
const KEPT = 256

function isLong({ method, path, fault }: RequestRecord): boolean {
  return method.length + path.length + fault.length > MAX_SHOWN
}

function shortOf(record: RequestRecord): RequestRecord {
  const { method, path, fault } = record
  return { ...record, method: keptToShow(method), path: keptToShow(path), fault: keptToShow(fault) }
}

export class RequestRing {
  /** Requests ever seen. */
  count = 0
  private readonly ring: (RequestRecord | undefined)[] = new Array(KEPT).fill(undefined)

  push(record: RequestRecord): void {
    this.ring[this.count++ % KEPT] = isLong(record) ? shortOf(record) : record
  }

  /** Up to `most` records after the first `seen` ones, newest first. */
  newest(most: number, seen = 0): RequestRecord[] {
    const records: RequestRecord[] = []
    const oldest = Math.max(seen, this.count - Math.min(most, KEPT))
    for (let index = this.count - 1; index >= oldest; index--) {
      const record = this.ring[index % KEPT]
      if (record !== undefined) records.push(record)
    }
    return records
  }
}
