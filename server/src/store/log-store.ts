// The access log as it is remembered: hands batches to the thread that writes the database, and questions to the one that reads it.
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import type { AccessBatch } from '../observe/batches.ts'
import type { Counts, KeptFigures, MinuteSpan } from '../owner/metrics.ts'
import type { FoundRecords, KeptRecords, RecordQuery } from '../owner/record-search.ts'
import { databaseFailure } from './failures.ts'
import type { LogLimits } from './log-database.ts'
import type { TotalRow } from './log-reader.ts'
import { LOG_FILE } from './log-schema.ts'
import { LogThread } from './log-thread.ts'

/** What the writing thread is asked; `open` only makes or opens the database. */
export type WriteJob = { readonly kind: 'write'; readonly batch: AccessBatch } | { readonly kind: 'open' }

/** What the reading thread is asked. */
export type ReadJob =
  | { readonly kind: 'search'; readonly query: RecordQuery; readonly budgetMs: number }
  | { readonly kind: 'sum'; readonly tunnel: string | undefined; readonly span: MinuteSpan }
  | { readonly kind: 'byTunnel'; readonly span: MinuteSpan }
  | {
      readonly kind: 'series'
      readonly tunnel: string | undefined
      readonly span: MinuteSpan
      readonly stepMinutes: number
    }
  | { readonly kind: 'totals' }

/** Given to the writing thread when it starts; plain data only. */
export interface WriterSettings {
  readonly dataDir: string
  readonly limits: LogLimits
}

/** What a page of a search may take, milliseconds: a tenth of a second with all that is around it; less while others wait. */
const SEARCH_MS = 80
const LEAST_SEARCH_MS = 20
/** Questions that wait at once. */
const MAX_QUESTIONS = 32

/** Owns both threads; all work on the database is done in them. */
export class LogStore implements KeptRecords, KeptFigures {
  private readonly file: string
  private readonly writer: LogThread<WriteJob>
  private readonly reader: LogThread<ReadJob>
  /** Questions that wait for an answer. */
  private asked = 0
  /** The database is there, and of this version. */
  private ready: Promise<unknown> | undefined

  constructor(settings: WriterSettings) {
    this.file = join(settings.dataDir, LOG_FILE)
    const file = new URL('./log-worker.ts', import.meta.url)
    this.writer = new LogThread({ name: 'access-log', file, workerData: settings })
    const readerFile = new URL('./log-read-worker.ts', import.meta.url)
    this.reader = new LogThread({ name: 'log-search', file: readerFile, workerData: settings.dataDir })
  }

  /** Rejects with what the database says; what was not written is not in it. */
  readonly write = async (batch: AccessBatch): Promise<void> => {
    await this.writer.ask({ kind: 'write', batch })
  }

  // All that follow reject with Failure `limited` when too many ask, and with what the database says.

  async search(query: RecordQuery): Promise<FoundRecords> {
    const budgetMs = Math.max(LEAST_SEARCH_MS, SEARCH_MS / (this.asked + 1))
    return (await this.ask({ kind: 'search', query, budgetMs })) as FoundRecords
  }

  async sum(tunnel: string | undefined, span: MinuteSpan): Promise<Counts> {
    return (await this.ask({ kind: 'sum', tunnel, span })) as Counts
  }

  async byTunnel(span: MinuteSpan): Promise<ReadonlyMap<string, Counts>> {
    return (await this.ask({ kind: 'byTunnel', span })) as Map<string, Counts>
  }

  async series(
    tunnel: string | undefined,
    span: MinuteSpan,
    stepMinutes: number,
  ): Promise<ReadonlyMap<number, Counts>> {
    return (await this.ask({ kind: 'series', tunnel, span, stepMinutes })) as Map<number, Counts>
  }

  /** Since each tunnel was first seen. */
  async totals(): Promise<TotalRow[]> {
    return (await this.ask({ kind: 'totals' })) as TotalRow[]
  }

  async close(): Promise<void> {
    await this.reader.close()
    await this.writer.close()
  }

  private async ask(job: ReadJob): Promise<unknown> {
    if (this.asked >= MAX_QUESTIONS) {
      throw new Failure('limited', `${MAX_QUESTIONS} queries of the access log are queued already, the maximum`, {
        cure: 'try again in a moment',
      })
    }
    this.asked++
    try {
      this.ready ??= this.writer.ask({ kind: 'open' })
      await this.ready
      return await this.reader.ask(job)
    } catch (error) {
      this.ready = undefined
      throw databaseFailure(error, this.file)
    } finally {
      this.asked--
    }
  }
}
