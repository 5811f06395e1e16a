// Bytes of what is still open: counted every few seconds, so that a download of an hour shows while it lasts and not at its end.

/** Between two rounds, milliseconds. */
const ROUND_MS = 5_000
/** Looked at in one go, a quarter of a millisecond; the rest of the round follows after PAUSE_MS. */
const MAX_LOOKS = 2_000
const PAUSE_MS = 50

/** Something under way, and what of its bytes is counted. */
export interface OpenTraffic {
  readonly tunnel: string
  readonly channel: {
    readonly bytesSent: number
    readonly bytesReceived: number
    countedSent: number
    countedReceived: number
  }
}

/** Which traffic is counted, and where its bytes are added. */
export interface OpenBytesOptions {
  /** All that is under way, one after the other; may be left for a while and gone on with. */
  readonly open: () => Iterator<OpenTraffic, unknown, undefined>
  /** So much has come from visitors, and gone to them, that was not counted. */
  readonly carried: (tunnel: string, bytesIn: number, bytesOut: number) => void
  readonly clock: { after(ms: number, call: () => void): { clear(): void } }
}

/** Adds the bytes of open connections to the figures every few seconds, each byte once, until `end`. */
export class OpenBytes {
  private readonly options: OpenBytesOptions
  private timer: { clear(): void }
  private round: Iterator<OpenTraffic, unknown, undefined> | undefined

  constructor(options: OpenBytesOptions) {
    this.options = options
    this.timer = this.after(ROUND_MS)
  }

  /** Counts no more. */
  end(): void {
    this.timer.clear()
    this.round = undefined
  }

  private after(ms: number): { clear(): void } {
    return this.options.clock.after(ms, () => {
      this.timer = this.after(this.look() ? ROUND_MS : PAUSE_MS)
    })
  }

  /** True: the round is over. */
  private look(): boolean {
    this.round ??= this.options.open()
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const { value, done } = this.round.next()
      if (done) {
        this.round = undefined
        return true
      }
      this.count(value)
    }
    return false
  }

  private count({ tunnel, channel }: OpenTraffic): void {
    const { bytesSent, bytesReceived, countedSent, countedReceived } = channel
    if (bytesSent === countedSent && bytesReceived === countedReceived) return
    channel.countedSent = bytesSent
    channel.countedReceived = bytesReceived
    this.options.carried(tunnel, bytesSent - countedSent, bytesReceived - countedReceived)
  }
}
