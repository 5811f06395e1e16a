// A thread that does one job after the other and tells how each went; another one when it died.
import { Worker } from 'node:worker_threads'

/** How a job went; errors cross threads as message and code, '' for none. */
export type Outcome = { readonly value: unknown } | { readonly error: string; readonly code: string }

/** A batch or a page of rows needs little; a thread without limits would take a young generation as large as the server's. */
const MEMORY = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 }
/** How long a closing server waits for the database to be closed, milliseconds. */
const CLOSE_MS = 2_000

interface Waiter {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** What a thread is started with, also again after it died. */
export interface ThreadOptions {
  /** For people: as the system shows it. */
  readonly name: string
  readonly file: URL
  readonly workerData: unknown
}

/** `Job` has `close` too, after which nothing is asked. */
export class LogThread<Job extends { readonly kind: string }> {
  private readonly options: ThreadOptions
  private worker: Worker | undefined
  private readonly waiters = new Map<number, Waiter>()
  private number = 0

  constructor(options: ThreadOptions) {
    this.options = options
  }

  /** Rejects with what the job threw, with its code. */
  ask(job: Job | { readonly kind: 'close' }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const number = ++this.number
      this.waiters.set(number, { resolve, reject })
      this.thread().postMessage({ number, job })
    })
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

  private thread(): Worker {
    if (this.worker !== undefined) return this.worker
    const { name, file, workerData } = this.options
    const worker = new Worker(file, { workerData, resourceLimits: MEMORY, name })
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
