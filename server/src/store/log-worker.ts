// The thread that writes the access log's database. Run by log-store.ts.
import { workerData } from 'node:worker_threads'
import { LogDatabase } from './log-database.ts'
import type { WriteJob, WriterSettings } from './log-store.ts'
import { doJobs } from './thread-jobs.ts'

const { dataDir, limits } = workerData as WriterSettings

doJobs(
  () => new LogDatabase(dataDir, limits),
  (database, job: WriteJob) => (job.kind === 'write' ? database.write(job.batch) : undefined),
)
