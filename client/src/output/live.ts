// The live view in a terminal: collects what happens and draws it, at most ten times a second.
import type { Clock, Timer } from '@pbt/proto'
import { wrapWords } from '../../../launch/words.ts'
import type { ClientEvent, Running, TunnelStanding, TunnelTraffic } from '../tunnels/events.ts'
import { type RequestRecord, RequestRing } from '../tunnels/requests.ts'
import { Standing } from '../tunnels/standing.ts'
import { countsOf } from './counts.ts'
import { frame, type View } from './frame.ts'
import { sentence } from './sentence.ts'
import type { Open } from './table.ts'
import { formatBytes } from './text.ts'

/** No two drawings are closer. */
const DRAW_EVERY_MS = 100
/** Rates, waits and ages move on this often when nothing happens. */
const TICK_MS = 1_000

const ENTER = '\x1b[?1049h\x1b[?25l' // alternate screen, no cursor
const LEAVE = '\x1b[?25h\x1b[?1049l'
const BEGIN = '\x1b[?2026h\x1b[H' // synchronised update where it is known, then home
const END = '\x1b[J\x1b[?2026l'

/** What is needed of a terminal; `process.stdout` has it. */
export interface Screen {
  readonly columns?: number
  readonly rows?: number
  readonly writableNeedDrain: boolean
  write(text: string): unknown
  on(event: 'resize', listener: () => void): unknown
  off(event: 'resize', listener: () => void): unknown
}

/** The clocks and the screen, besides what is known of the process. */
export interface LiveOptions extends Running {
  readonly clock: Clock
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
  readonly screen: Screen
  readonly isColored: boolean
}

interface Sample {
  readonly at: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** By the number of the tunnel. */
  readonly requests: ReadonlyMap<number, number>
}

/** Owns the screen from `open` to `close`. */
export class Live {
  private readonly options: LiveOptions
  private readonly ring = new RequestRing()
  private readonly standing: Standing
  /** By the number of the tunnel. */
  private readonly requests = new Map<number, number>()
  /** Told after the view has gone, on the screen that stays. */
  private readonly lastWords: string[] = []
  private drawTimer: Timer | undefined
  private tickTimer: Timer | undefined
  private drawnAt = Number.NEGATIVE_INFINITY
  private shown = ''
  private isOpen = false
  /** As of the last tick. */
  private byTunnel: ReadonlyMap<number, TunnelTraffic> = new Map()
  private samples: [Sample, Sample]

  constructor(options: LiveOptions) {
    this.options = options
    this.standing = new Standing(options.clock, options.tunnels)
    const none = { at: options.clock.now(), bytesIn: 0, bytesOut: 0, requests: new Map() }
    this.samples = [none, none]
  }

  /** Takes the screen; also after the process was stopped and goes on. */
  open(): void {
    this.options.screen.write(ENTER)
    this.shown = ''
    if (!this.isOpen) {
      this.isOpen = true
      this.options.screen.on('resize', this.resized)
      this.tick()
    }
    this.changed()
  }

  /** Gives the screen back for as long as the process is stopped. */
  pause(): void {
    if (this.isOpen) this.options.screen.write(LEAVE)
  }

  /** Gives the screen back and leaves there what should not be lost. Again: nothing. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.drawTimer?.clear()
    this.tickTimer?.clear()
    this.options.screen.off('resize', this.resized)
    const { bytesIn, bytesOut } = sumOf(this.options.byTunnel())
    const { tunnels } = this.standing
    const counts = countsOf(tunnels.map(({ kind, number }) => ({ kind, count: this.requestsOf(number) })))
    const sum = `pbt: ${counts}, ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`
    // Of a tunnel that never opened there is only why.
    const isUnused = bytesIn + bytesOut === 0 && tunnels.every(({ number }) => this.requestsOf(number) === 0)
    const words = isUnused && this.lastWords.length > 0 ? this.lastWords : [...this.lastWords, sum]
    const { screen } = this.options
    screen.write(`${LEAVE}${wrapWords(words.join('\n'), screen.columns)}\n`)
  }

  event(event: ClientEvent): void {
    this.standing.event(event)
    if (event.event === 'closed' || event.event === 'error') this.lastWords.push(`pbt: ${sentence(event)}`)
    this.changed()
  }

  /** `tunnel`: its number. */
  request(tunnel: number, record: RequestRecord): void {
    this.ring.push(tunnel, record)
    this.requests.set(tunnel, this.requestsOf(tunnel) + 1)
    if (this.drawTimer === undefined) this.changed()
  }

  /** Something is to be seen. */
  changed(): void {
    if (!this.isOpen || this.drawTimer !== undefined) return
    const { clock } = this.options
    this.drawTimer = clock.after(Math.max(0, this.drawnAt + DRAW_EVERY_MS - clock.now()), () => {
      this.drawTimer = undefined
      this.draw()
    })
  }

  private readonly resized = (): void => {
    this.shown = ''
    this.changed()
  }

  private tick(): void {
    this.byTunnel = this.options.byTunnel()
    const sums = { ...sumOf(this.byTunnel), requests: new Map(this.requests) }
    this.samples = [this.samples[1], { at: this.options.clock.now(), ...sums }]
    this.tickTimer = this.options.clock.after(TICK_MS, () => this.tick())
    this.changed()
  }

  private draw(): void {
    const { clock, screen, isColored } = this.options
    if (screen.writableNeedDrain) return // a slow terminal gets the next tick's picture
    this.drawnAt = clock.now()
    // The last column stays free: text in it makes terminals disagree about where the line ends.
    const columns = Math.max(1, (screen.columns ?? 80) - 1)
    const rows = Math.max(1, screen.rows ?? 24)
    const picture = frame(this.view(rows), columns, rows, isColored).join('\x1b[K\r\n')
    if (picture === this.shown) return
    this.shown = picture
    screen.write(`${BEGIN}${picture}\x1b[K${END}`)
  }

  private requestsOf(tunnel: number): number {
    return this.requests.get(tunnel) ?? 0
  }

  private view(rows: number): View {
    const [before, after] = this.samples
    const seconds = Math.max(0.001, (after.at - before.at) / 1000)
    const rate = (from: number, to: number) => Math.round((to - from) / seconds)
    const { state, reason, cure, stopping, retryInMs, tunnels } = this.standing
    return {
      ...{ server: this.options.server, state, reason, cure, stopping, retryInMs },
      tunnels: tunnels.map(tunnel => {
        const { number } = tunnel
        const requestsPerSecond = rate(before.requests.get(number) ?? 0, after.requests.get(number) ?? 0)
        const open = this.byTunnel.get(number)?.open ?? 0
        return { ...tunnel, requests: this.requestsOf(number), requestsPerSecond, open }
      }),
      traffic: this.options.traffic(),
      ...sumOf(this.byTunnel),
      bytesInPerSecond: rate(before.bytesIn, after.bytesIn),
      bytesOutPerSecond: rate(before.bytesOut, after.bytesOut),
      ...this.opens(tunnels, rows),
      recent: this.ring.newest(rows),
    }
  }

  /** The newest connections and flows that are open. */
  private opens(tunnels: readonly TunnelStanding[], rows: number): Pick<View, 'opens' | 'openCount'> {
    const now = this.options.wallTime()
    const opens: Open[] = []
    let openCount = 0
    for (const { number, kind } of tunnels) {
      if (kind === 'http') continue
      const channels = this.options.openOf(number, rows)
      // Those are all unless they are as many as were asked for.
      const known = channels.length < rows ? 0 : (this.byTunnel.get(number)?.open ?? 0)
      openCount += Math.max(channels.length, known)
      for (const channel of channels) opens.push({ ...channel, tunnel: number, startedAt: now - channel.ageMs })
    }
    opens.sort((left, right) => left.ageMs - right.ageMs)
    return { opens, openCount }
  }
}

function sumOf(byTunnel: ReadonlyMap<number, TunnelTraffic>): { bytesIn: number; bytesOut: number } {
  let [bytesIn, bytesOut] = [0, 0]
  for (const one of byTunnel.values()) {
    bytesIn += one.bytesIn
    bytesOut += one.bytesOut
  }
  return { bytesIn, bytesOut }
}
