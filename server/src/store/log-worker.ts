// The thread of the access log's database: does one job after the other and tells how it went. Run by log-store.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { LogDatabase } from './log-database.ts'
import type { Job, Outcome, WorkerSettings } from './log-store.ts'

const { dataDir, limits } = workerData as WorkerSettings
let database: LogDatabase | undefined

parentPort?.on('message', ({ number, job }: { number: number; job: Job }) => {
  parentPort?.postMessage({ number, outcome: outcomeOf(job) })
})

function outcomeOf(job: Job): Outcome {
  try {
    return { value: work(job) }
  } catch (error) {
    // Opened anew for the next job: whatever was wrong may be mended by then.
    const broken = database
    database = undefined
    try {
      broken?.close()
    } catch {
      // It is of no use anyway.
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return { error: error instanceof Error ? error.message : String(error), code }
  }
}

function work(job: Job): unknown {
  if (job.kind === 'close') {
    database?.close()
    database = undefined
    return undefined
  }
  database ??= new LogDatabase(dataDir, limits)
  switch (job.kind) {
    case 'write':
      return database.write(job.batch)
    case 'records':
      return database.records(job.query)
    case 'minutes':
      return database.minutes(job.query)
    case 'totals':
      return database.totals()
  }
}
