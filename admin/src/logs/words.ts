// A record in words: what it was, how it ended, how long it took.
import type { Record as LogRecord } from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import { howLong, lengthOf } from '../words/time'
import { REFUSED } from './filter'

/** What a visitor did. */
export function whatOf({ kind, summary }: LogRecord): string {
  if (kind === 'tcp') return 'TCP connection'
  if (kind === 'udp') return 'UDP flow'
  return kind === 'http' ? summary : `${kind === 'websocket' ? 'WS' : 'UPGRADE'} ${summary.replace(/^GET /, '')}`
}

export interface Ending {
  readonly text: string
  /** Its parts, where it has both. */
  readonly status?: string
  readonly reason?: string
  readonly mark?: MarkName
  readonly tone: Tone
}

/** 200, 502 target-broke, not-allowed. */
export function endingOf({ status, reason, kind }: LogRecord): Ending {
  const number = status === 0 ? '' : String(status)
  if (REFUSED.has(reason)) return { text: reason, mark: 'none', tone: '' }
  if (reason !== '' && number === '') return { text: reason, mark: 'bad', tone: 'bad' }
  if (reason !== '') return { text: `${number} ${reason}`, status: number, reason, mark: 'bad', tone: 'bad' }
  if (status >= 500) return { text: number, mark: 'bad', tone: 'bad' }
  return { text: number || (kind === 'tcp' || kind === 'udp' ? 'closed' : 'complete'), tone: '' }
}

/** The title of one record. */
export function titleOf(record: LogRecord): string {
  const { tunnel, reason, status } = record
  const where = tunnel || 'no tunnel'
  if (REFUSED.has(reason)) return `Turned away from ${where}`
  if (reason !== '') return `Broken off at ${where}`
  if (status >= 500) return `Failed at ${where}`
  return `Answered by ${where}`
}

export function tookOf({ duration }: LogRecord): string {
  return howLong(lengthOf(duration))
}

/** As a program writes it, one line. */
export function jsonOf(record: LogRecord): string {
  const { $typeName, startTime, duration, bytesIn, bytesOut, id, ...rest } = record
  const ms = Number(startTime?.seconds ?? 0n) * 1_000 + Math.floor((startTime?.nanos ?? 0) / 1e6)
  const took = Math.round(lengthOf(duration) * 1_000) / 1_000
  return JSON.stringify({
    time: new Date(ms).toISOString(),
    ...rest,
    ms: took,
    bytesIn: Number(bytesIn),
    bytesOut: Number(bytesOut),
  })
}
