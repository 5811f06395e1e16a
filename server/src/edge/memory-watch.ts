// Is there memory for more visitors? Looked at a few times a second; the rest of the server reads a boolean.
import { totalmem } from 'node:os'
import { type Clock, KIB, MIB, type Timer } from '@pbt/proto'
import type { Log } from '../observe/log.ts'

/** Between two looks where there is little room: at 400 MB a second, all of it kept, 40 MB come in between. A look costs 50 us. */
const SOONEST_MS = 100
/** Between two looks where there is much room, as in a server at rest. */
const LATEST_MS = 1_000
/** The next look is so soon that this fills no room before it: twice the most that has been seen. */
const FASTEST_BYTES_A_SECOND = 800_000_000
/** No new connections from this part of the limit on: the rest is for open ones and for garbage. */
const SHORT_SHARE = 0.8
/** Below this part new connections are accepted again; apart from the other, so that not every look changes it. */
const ENOUGH_SHARE = 0.7
/**
 * While memory is short all garbage is collected this often, some 50 ms each time: V8 does not know of the limit, and would
 * leave for later what makes visitors be turned away now.
 */
const COLLECT_MS = 2_000
/** What TLS and HTTP/2 keep of a connection where V8 does not count it: at least, and once a whole buffer of TLS was used. */
const LEAST_CONNECTION_BYTES = 48 * KIB
const MOST_CONNECTION_BYTES = 112 * KIB

/** What the process holds, in bytes. */
export interface MemoryUsage {
  /** Of the machine's memory. */
  readonly rss: number
  readonly heapUsed: number
  /** Buffers and what else V8 counts outside its heap. */
  readonly external: number
}

/** The limit, and how memory use is measured; sizes are in bytes. */
export interface MemoryWatchOptions {
  readonly limitBytes: number
  readonly usage: () => MemoryUsage
  /** Undefined: this Node was not started with --expose-gc. */
  readonly collect: (() => void) | undefined
  /** Connections of visitors at the moment. */
  readonly connections: () => number
  /** Called when it changes. */
  readonly onChange: (isShort: boolean) => void
  readonly clock: Clock
  readonly log: Log
}

/** Reports when memory becomes short, and when it no longer is. */
export class MemoryWatch {
  private readonly options: MemoryWatchOptions
  /** Code, threads, libraries: resident before the first visitor and not V8's. */
  private baseBytes: number
  private hadVisitors = false
  private timer: Timer
  private isShort = false
  private collectedAt = Number.NEGATIVE_INFINITY

  constructor(options: MemoryWatchOptions) {
    this.options = options
    this.baseBytes = this.unknownBytes
    this.timer = options.clock.after(SOONEST_MS, this.look)
  }

  close(): void {
    this.timer.clear()
  }

  private get unknownBytes(): number {
    const { rss, heapUsed, external } = this.options.usage()
    return Math.max(0, rss - heapUsed - external)
  }

  /**
   * What is in use. Of the resident size only what the connections may have: the allocator gives back late or never what it
   * once had, and a server that has turned visitors away for a moment would do so for ever.
   */
  private get usedBytes(): number {
    const { rss, heapUsed, external } = this.options.usage()
    const known = this.baseBytes + heapUsed + external
    const connections = this.options.connections()
    return (
      known + Math.min(Math.max(rss - known, connections * LEAST_CONNECTION_BYTES), connections * MOST_CONNECTION_BYTES)
    )
  }

  private readonly look = (): void => {
    const { limitBytes, collect, clock } = this.options
    // The rest of the server is made after the edge.
    this.hadVisitors ||= this.options.connections() > 0
    if (!this.hadVisitors) this.baseBytes = this.unknownBytes
    const mostBytes = limitBytes * (this.isShort ? ENOUGH_SHARE : SHORT_SHARE)
    let used = this.usedBytes
    if (used >= mostBytes && collect !== undefined && clock.now() - this.collectedAt >= COLLECT_MS) {
      this.collectedAt = clock.now()
      collect()
      used = this.usedBytes
    }
    // What the program itself is has to be known as of the moment before its first visitor.
    const nextMs = this.hadVisitors ? untilNext(limitBytes * SHORT_SHARE - used) : SOONEST_MS
    this.timer = clock.after(nextMs, this.look)
    const isShort = used >= mostBytes
    if (isShort === this.isShort) return
    this.isShort = isShort
    const figures = { usedMib: Math.round(used / MIB), limitMib: Math.round(limitBytes / MIB) }
    if (isShort) this.options.log.warn('memory is short: new visitors are turned away', figures)
    else this.options.log.info('memory is available again: new visitors are let in', figures)
    this.options.onChange(isShort)
  }
}

/** Milliseconds until so much room may be gone, at the soonest. */
function untilNext(roomBytes: number): number {
  return Math.min(LATEST_MS, Math.max(SOONEST_MS, (1_000 * roomBytes) / FASTEST_BYTES_A_SECOND))
}

/** What this process may have, in bytes: the limit of its cgroup (systemd, container), else the machine's memory. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
