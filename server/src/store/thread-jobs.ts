// The other end of LogThread: does jobs on a database that is opened for the first one, and anew after each that failed.
import { parentPort } from 'node:worker_threads'
import type { Outcome } from './log-thread.ts'

interface Closable {
  close(): void
}

/** To be called once, in the thread. Whatever was wrong with the database may be mended by the next job. */
export function doJobs<Base extends Closable, Job extends { readonly kind: string }>(
  open: () => Base,
  work: (database: Base, job: Job) => unknown,
): void {
  let database: Base | undefined
  const close = () => {
    const open = database
    database = undefined
    open?.close()
  }
  const outcomeOf = (job: Job): Outcome => {
    try {
      if (job.kind === 'close') {
        close()
        return { value: undefined }
      }
      database ??= open()
      return { value: work(database, job) }
    } catch (error) {
      try {
        close()
      } catch {
        // It is of no use anyway.
      }
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      return { error: error instanceof Error ? error.message : String(error), code }
    }
  }
  parentPort?.on('message', ({ number, job }: { number: number; job: Job }) => {
    parentPort?.postMessage({ number, outcome: outcomeOf(job) })
  })
}
