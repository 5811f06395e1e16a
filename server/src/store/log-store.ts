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
  /** Questions that wait for an answer; the thread has one at a time, so that those which nobody waits for any more are left out. */
  private asked = 0
  private turn: Promise<void> = Promise.resolve()
  private isClosed = false
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

  // All that follow reject with Failure `limited` when too many ask, with what the database says, and with the signal's reason.

  async search(query: RecordQuery, signal?: AbortSignal): Promise<FoundRecords> {
    const job = () => {
      const budgetMs = Math.max(LEAST_SEARCH_MS, SEARCH_MS / this.asked)
      return { kind: 'search', query, budgetMs } as const
    }
    return (await this.ask(job, signal)) as FoundRecords
  }

  async sum(tunnel: string | undefined, span: MinuteSpan, signal?: AbortSignal): Promise<Counts> {
    return (await this.ask(() => ({ kind: 'sum', tunnel, span }), signal)) as Counts
  }

  async byTunnel(span: MinuteSpan, signal?: AbortSignal): Promise<ReadonlyMap<string, Counts>> {
    return (await this.ask(() => ({ kind: 'byTunnel', span }), signal)) as Map<string, Counts>
  }

  async series(
    tunnel: string | undefined,
    span: MinuteSpan,
    stepMinutes: number,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<number, Counts>> {
    return (await this.ask(() => ({ kind: 'series', tunnel, span, stepMinutes }), signal)) as Map<number, Counts>
  }

  /** Since each tunnel was first seen. */
  async totals(): Promise<TotalRow[]> {
    return (await this.ask(() => ({ kind: 'totals' }))) as TotalRow[]
  }

  /** Questions that still wait are refused: Failure `not-running`. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.reader.close()
    await this.writer.close()
  }

  /** `jobOf`: what is asked when it is its turn. */
  private async ask(jobOf: () => ReadJob, signal?: AbortSignal): Promise<unknown> {
    if (this.asked >= MAX_QUESTIONS) {
      throw new Failure('limited', `${MAX_QUESTIONS} queries of the access log are queued already, the maximum`, {
        cure: 'try again in a moment',
      })
    }
    this.asked++
    const before = this.turn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.turn = promise
    try {
      await before
      signal?.throwIfAborted()
      if (this.isClosed) {
        throw new Failure('not-running', 'the access log is closed: pbt-server stops', {
          cure: 'try again when it is back',
        })
      }
      return await this.answer(jobOf())
    } finally {
      this.asked--
      resolve()
    }
  }

  private async answer(job: ReadJob): Promise<unknown> {
    try {
      this.ready ??= this.writer.ask({ kind: 'open' })
      await this.ready
      return await this.reader.ask(job)
    } catch (error) {
      this.ready = undefined
      throw databaseFailure(error, this.file)
    }
  }
}
