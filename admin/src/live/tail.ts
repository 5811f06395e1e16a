'use client'
// The newest records of a tunnel as they come: a page has one tail, which ends with it, while the tab is hidden, and while it is held.
import { ConnectError } from '@connectrpc/connect'
import type { Record as LogRecord } from '@pbt/proto/admin/v1'
import { useEffect, useState } from 'react'
import { keyOf } from './record-key'
import { log } from './services'

/** A record and a name for its row. */
export interface TailedRecord {
  readonly key: number
  readonly record: LogRecord
}

export interface Tail {
  readonly records: readonly TailedRecord[]
  /** Came too fast to be shown. */
  readonly dropped: number
  readonly isLive: boolean
}

const NONE: Tail = { records: [], dropped: 0, isLive: false }
/** Until the tail is opened again after it broke, milliseconds. */
const AGAIN_MS = 1_500
/** What comes within so long is drawn at once, milliseconds. */
const DRAW_MS = 100

/** The newest first, at most `most`. */
export function useTail(tunnel: string, most: number, isHeld: boolean): Tail {
  const [tail, setTail] = useState(NONE)
  useEffect(() => {
    if (isHeld) {
      setTail(before => ({ ...before, isLive: false }))
      return
    }
    const follow = new Follow(tunnel, most, setTail)
    follow.start()
    return () => follow.stop()
  }, [tunnel, most, isHeld])
  return tail
}

class Follow {
  private readonly tunnel: string
  private readonly most: number
  private readonly set: (change: (before: Tail) => Tail) => void
  private running: AbortController | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private drawing: ReturnType<typeof setTimeout> | undefined
  private waiting: LogRecord[] = []
  private dropped = 0
  private key = Date.now()
  /** Those of the first page that the tail has not told. */
  private known = new Set<string>()

  constructor(tunnel: string, most: number, set: (change: (before: Tail) => Tail) => void) {
    this.tunnel = tunnel
    this.most = most
    this.set = set
  }

  start(): void {
    document.addEventListener('visibilitychange', this.onVisibility)
    if (!document.hidden) this.open()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.onVisibility)
    this.close()
  }

  private readonly onVisibility = (): void => {
    if (document.hidden) this.close()
    else if (this.running === undefined) this.open()
  }

  private close(): void {
    clearTimeout(this.timer)
    clearTimeout(this.drawing)
    this.drawing = undefined
    this.running?.abort()
    this.running = undefined
  }

  /** What is there already, all anew: nobody knows what came while there was no tail. */
  private async first(running: AbortController): Promise<void> {
    const request = { filter: { tunnel: this.tunnel }, pageSize: this.most }
    const { records } = await log.listRecords(request, { signal: running.signal })
    this.known = new Set(records.map(keyOf))
    this.set(before => ({ ...before, records: records.map(record => ({ key: this.key++, record })), isLive: true }))
  }

  private open(): void {
    const running = new AbortController()
    this.running = running
    this.read(running)
      .catch(error => {
        if (!running.signal.aborted) console.debug('the tail broke', ConnectError.from(error).message)
      })
      .finally(() => {
        if (this.running !== running) return
        this.running = undefined
        this.set(before => ({ ...before, isLive: false }))
        this.timer = setTimeout(() => this.open(), AGAIN_MS)
      })
  }

  private async read(running: AbortController): Promise<void> {
    const answers = log.tailRecords({ filter: { tunnel: this.tunnel } }, { signal: running.signal, timeoutMs: 0 })
    let isFirst = true
    for await (const { records, dropped } of answers) {
      if (this.running !== running) return
      // From its first word on it misses nothing: what was before is asked for now, and some of it is told twice.
      if (isFirst) await this.first(running)
      isFirst = false
      const fresh = records.filter(record => !this.known.delete(keyOf(record)))
      this.waiting = [...this.waiting, ...fresh].slice(-this.most)
      this.dropped += Number(dropped)
      this.drawing ??= setTimeout(() => this.draw(), DRAW_MS)
    }
  }

  private draw(): void {
    this.drawing = undefined
    const fresh = this.waiting.reverse().map(record => ({ key: this.key++, record }))
    const { dropped, most } = this
    this.waiting = []
    this.dropped = 0
    this.set(before => ({
      records: [...fresh, ...before.records].slice(0, most),
      dropped: before.dropped + dropped,
      isLive: true,
    }))
  }
}
