// A record of the access log as a line: how it is gathered, handed on and kept. A number of them are one value of the database,
// since a row for each, with a value for each field, costs ten times as much as everything else that is done for a record.

import type { Lines } from './lines.ts'

export type AccessKind = 'http' | 'websocket' | 'upgrade' | 'tcp' | 'udp'

/** What a visitor did: a request, an upgrade, a connection or a flow that is over. */
export interface AccessRecord {
  /** Grows in the order in which they ended. */
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

/** Adds a line. `endedMs`: since the batch's first one. No text has a tab or a line break in it. */
export function writeRecord(
  lines: Lines,
  tunnel: string,
  endedMs: number,
  kind: AccessKind,
  visitor: string,
  summary: string,
  status: number,
  durationUs: number,
  bytesIn: number,
  bytesOut: number,
  reason: string,
): void {
  lines.text(tunnel)
  lines.number(endedMs)
  lines.text(kind)
  lines.text(visitor)
  lines.text(summary)
  lines.number(status)
  lines.number(durationUs)
  lines.number(bytesIn)
  lines.number(bytesOut)
  lines.text(reason)
  lines.endLine()
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

/** Whether the line is of a record of this tunnel. */
export function isOfTunnel(line: string, tunnel: string): boolean {
  return line.startsWith(`${tunnel}\t`)
}

/** Milliseconds since 1970. */
export function endedAt({ startedAt, durationUs }: AccessRecord): number {
  return startedAt + Math.round(durationUs / 1_000)
}
