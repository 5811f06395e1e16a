// The access log as it is remembered: hands batches and questions to the thread that has the database.
import { Worker } from 'node:worker_threads'
import type { AccessBatch } from '../observe/access-log.ts'
import type { AccessRecord } from '../observe/access-record.ts'
import type { AccessQuery, FigureRow, LogLimits, MinuteQuery } from './log-database.ts'

export type Job =
  | { readonly kind: 'write'; readonly batch: AccessBatch }
  | { readonly kind: 'records'; readonly query: AccessQuery }
  | { readonly kind: 'minutes'; readonly query: MinuteQuery }
  | { readonly kind: 'totals' }
  | { readonly kind: 'close' }

export type Outcome = { readonly value: unknown } | { readonly error: string; readonly code: string }

export interface WorkerSettings {
  readonly dataDir: string
  readonly limits: LogLimits
}

/** A batch and a page of rows need little; a thread without limits would take a young generation as large as the server's. */
const MEMORY = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 }
/** How long a closing server waits for the database to be closed, milliseconds. */
const CLOSE_MS = 2_000

interface Waiter {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class LogStore {
  private readonly settings: WorkerSettings
  private worker: Worker | undefined
  private readonly waiters = new Map<number, Waiter>()
  private number = 0

  constructor(settings: WorkerSettings) {
    this.settings = settings
  }

  /** Rejects with what the database says; what was not written is not in it. */
  readonly write = async (batch: AccessBatch): Promise<void> => {
    await this.ask({ kind: 'write', batch })
  }

  async records(query: AccessQuery): Promise<AccessRecord[]> {
    return (await this.ask({ kind: 'records', query })) as AccessRecord[]
  }

  async minutes(query: MinuteQuery): Promise<FigureRow[]> {
    return (await this.ask({ kind: 'minutes', query })) as FigureRow[]
  }

  async totals(): Promise<FigureRow[]> {
    return (await this.ask({ kind: 'totals' })) as FigureRow[]
  }

  async close(): Promise<void> {
    if (this.worker === undefined) return
    const closed = this.ask({ kind: 'close' }).catch(() => {})
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([closed, late])
    clearTimeout(timer)
    await this.worker?.terminate()
  }

  private ask(job: Job): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const number = ++this.number
      this.waiters.set(number, { resolve, reject })
      this.thread().postMessage({ number, job })
    })
  }

  /** The thread; another one when the last one died. */
  private thread(): Worker {
    if (this.worker !== undefined) return this.worker
    const worker = new Worker(new URL('./log-worker.ts', import.meta.url), {
      workerData: this.settings,
      resourceLimits: MEMORY,
      name: 'access-log',
    })
    worker.unref()
    worker.on('message', ({ number, outcome }: { number: number; outcome: Outcome }) => {
      const waiter = this.waiters.get(number)
      this.waiters.delete(number)
      if ('error' in outcome) waiter?.reject(Object.assign(new Error(outcome.error), { code: outcome.code }))
      else waiter?.resolve(outcome.value)
    })
    worker.on('error', () => {}) // 'exit' follows
    worker.on('exit', () => {
      if (this.worker === worker) this.worker = undefined
      const waiters = [...this.waiters.values()]
      this.waiters.clear()
      for (const { reject } of waiters) reject(new Error('the thread of the access log ended'))
    })
    this.worker = worker
    return worker
  }
}
