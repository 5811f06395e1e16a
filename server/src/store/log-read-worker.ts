// The thread that searches the access log's database, behind everything that carries traffic. Run by log-store.ts.
import { setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { LogReader } from './log-reader.ts'
import type { ReadJob } from './log-store.ts'
import { ownClocks, Pace } from './pace.ts'
import { doJobs } from './thread-jobs.ts'

/** A tenth of an ordinary thread's share, where they are more than the cores. */
const NICE = 10
/**
 * Before a question, for what was used by those before it, milliseconds. A page of the log has at least a batch, which is little, and
 * comes within 150 ms; a longer rest makes fewer pages, each of which costs the other threads more than its batch costs this one.
 * Figures are one piece of work each.
 */
const LONGEST_REST_MS = { page: 120, figures: 1_000 }

// On Linux it is a property of the thread that asks (setpriority(2), "C library/kernel differences"); elsewhere it would be all of the server's.
if (process.platform === 'linux') {
  try {
    setPriority(0, NICE)
  } catch {
    // Where it is forbidden, searches are as bounded as before.
  }
}

const pace = new Pace(ownClocks())

doJobs(
  () => new LogReader(String(workerData)),
  (reader, job: ReadJob) => {
    const began = performance.now()
    // Whatever is asked, also one question after the other without end.
    pace.rest(job.kind === 'search' ? LONGEST_REST_MS.page : LONGEST_REST_MS.figures)
    switch (job.kind) {
      case 'search':
        return reader.search(job.query, job.budgetMs - (performance.now() - began), leftMs => pace.rest(leftMs))
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
