// The thread that searches the access log's database, behind everything that carries traffic. Run by log-store.ts.
import { setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { LogReader } from './log-reader.ts'
import type { ReadJob } from './log-store.ts'
import { Pace, sleep } from './pace.ts'
import { doJobs } from './thread-jobs.ts'

/** A tenth of an ordinary thread's share, where they are more than the cores. */
const NICE = 10

// On Linux it is a property of the thread that asks (setpriority(2), "C library/kernel differences"); elsewhere it would be all of the server's.
if (process.platform === 'linux') {
  try {
    setPriority(0, NICE)
  } catch {
    // Where it is forbidden, searches are as bounded as before.
  }
}

const pace = new Pace({ now: () => performance.now(), sleep })

doJobs(
  () => new LogReader(String(workerData)),
  (reader, job: ReadJob) => {
    switch (job.kind) {
      case 'search': {
        pace.begin()
        try {
          return reader.search(job.query, job.budgetMs, () => pace.step())
        } finally {
          pace.stop()
        }
      }
      case 'sum':
        return reader.figures.sum(job.tunnel, job.span)
      case 'byTunnel':
        return reader.figures.byTunnel(job.span)
      case 'series':
        return reader.figures.series(job.tunnel, job.span, job.stepMinutes)
      case 'totals':
        return reader.totals()
    }
  },
)
