// A record of the access log as a line: how it is gathered, handed on and kept. A number of them are one value of the database,
// since a row for each, with a value for each field, costs ten times as much as everything else that is done for a record.

import { type Lines, MAX_FIELD_CHARS, printable } from './lines.ts'

/** `upgrade`: to any protocol but WebSocket. */
export type AccessKind = 'http' | 'websocket' | 'upgrade' | 'tcp' | 'udp'

/** What a visitor did: a request, an upgrade, a connection or a flow that is over. */
export interface AccessRecord {
  /** Grows in the order in which they ended; 0: it is not written yet. */
  readonly id: number
  /** Its tunnel's name; empty when it was for none. */
  readonly tunnel: string
  readonly kind: AccessKind
  /** The visitor's address. */
  readonly visitor: string
  /** Method and path without the query; the host before it when there is no tunnel. */
  readonly summary: string
  /** Of the answer; 0 when there was none, as for tcp and udp. */
  readonly status: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly durationUs: number
  /** Of bodies and payload, from the visitor and to the visitor. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Why it ended; empty: it was complete. */
  readonly reason: string
}

/** A visit as it is told when it is over; an object that has these is handed over as it is, not kept. */
export interface VisitEnd {
  readonly kind: AccessKind
  /** Its tunnel's name, '' for none. */
  readonly tunnel: string
  /** The visitor's address. */
  readonly visitor: string
  /** Method and path; '' for connections and flows. */
  readonly summary: string
  /** Of the answer; 0 for none. */
  readonly status: number
  /** Milliseconds, by the log's own clock. */
  readonly startedAt: number
  /** When its answer began, by the same clock; 0: it has none, or none that is timed. */
  readonly firstByteAt: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** What of them the figures have already, because it was counted while it was open. */
  readonly countedIn: number
  readonly countedOut: number
  /** Why it ended, '' when it was complete. */
  readonly reason: string
}

/** Adds a line. `tunnel`: as it is counted; `endedMs`: since the batch's first one. */
export function writeRecord(lines: Lines, visit: VisitEnd, tunnel: string, endedMs: number, durationUs: number): void {
  lines.text(tunnel)
  lines.number(endedMs)
  lines.text(visit.kind)
  lines.text(visit.visitor)
  lines.text(visit.summary)
  lines.number(visit.status)
  lines.number(durationUs)
  lines.number(visit.bytesIn)
  lines.number(visit.bytesOut)
  lines.text(visit.reason)
  lines.endLine()
}

/** The same as `writeRecord` and `accessRecord` would have it, without a number. `endedAt`: milliseconds since 1970. */
export function copyRecord(visit: VisitEnd, tunnel: string, endedAt: number, durationUs: number): AccessRecord {
  const { kind, visitor, summary, status, bytesIn, bytesOut, reason } = visit
  return {
    id: 0,
    tunnel,
    kind,
    visitor,
    summary: printable(summary.slice(0, MAX_FIELD_CHARS)),
    status,
    startedAt: endedAt - Math.round(durationUs / 1_000),
    durationUs,
    bytesIn,
    bytesOut,
    reason,
  }
}

/** `since`: when the batch's first one ended, milliseconds since 1970. */
export function accessRecord(line: string, id: number, since: number): AccessRecord {
  const [tunnel, endedMs, kind, visitor, summary, status, durationUs, bytesIn, bytesOut, reason] = line.split('\t')
  return {
    id,
    tunnel: tunnel ?? '',
    kind: kind as AccessKind,
    visitor: visitor ?? '',
    summary: summary ?? '',
    status: Number(status),
    startedAt: since + Number(endedMs) - Math.round(Number(durationUs) / 1_000),
    durationUs: Number(durationUs),
    bytesIn: Number(bytesIn),
    bytesOut: Number(bytesOut),
    reason: reason ?? '',
  }
}

/** What a record is looked for by. */
export type SoughtFields = Pick<AccessRecord, 'tunnel' | 'kind' | 'visitor' | 'summary' | 'status' | 'reason'>

/** The same fields of a line, each read when it is asked for: a fifth of what a whole record costs. */
export class RecordLine implements SoughtFields {
  private readonly line: string

  constructor(line: string) {
    this.line = line
  }

  get tunnel(): string {
    return this.field(0)
  }

  get kind(): AccessKind {
    return this.field(2) as AccessKind
  }

  get visitor(): string {
    return this.field(3)
  }

  get summary(): string {
    return this.field(4)
  }

  get status(): number {
    return Number(this.field(5))
  }

  get reason(): string {
    return this.field(9)
  }

  /** In the order of `writeRecord`; '' where the line has no more. */
  private field(number: number): string {
    let start = 0
    for (let left = number; left > 0; left--) {
      start = this.line.indexOf('\t', start) + 1
      if (start === 0) return ''
    }
    const end = this.line.indexOf('\t', start)
    return end < 0 ? this.line.slice(start) : this.line.slice(start, end)
  }
}

/** Whether the line is of a record of this tunnel. */
export function isOfTunnel(line: string, tunnel: string): boolean {
  return line.startsWith(`${tunnel}\t`)
}

/** Milliseconds since 1970. */
export function endedAt({ startedAt, durationUs }: AccessRecord): number {
  return startedAt + Math.round(durationUs / 1_000)
}
