// What Node's event loop has told of connections: asked of the loop itself, since counting its turns makes it take more of them.
import { performance } from 'node:perf_hooks'

const { nodeTiming } = performance
/** One was under way, and the next one has looked at everything and told it. */
const TURNS = 2

/** A moment, as the loop counts. */
export interface Moment {
  /** Times that the loop had looked at I/O. */
  readonly turn: number
  /** Milliseconds that it had slept. */
  readonly sleptMs: number
}

/** This moment. Costs 0.1 us. */
export function moment(): Moment {
  return { turn: nodeTiming.uvMetricsInfo.loopCount, sleptMs: nodeTiming.idleTime }
}

/** Whether all that had come by then has been told. The loop sleeps only when there is nothing left to tell. */
export function hasToldSince({ turn, sleptMs }: Moment): boolean {
  return nodeTiming.uvMetricsInfo.loopCount - turn >= TURNS || nodeTiming.idleTime !== sleptMs
}
