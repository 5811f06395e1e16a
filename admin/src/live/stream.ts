// The one event stream of this tab: opened while the tab is seen, resumed by number, and opened again when the server is lost.
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { ServerService, type WatchResponse } from '@pbt/proto/admin/v1'
import { LOGGED_OUT, transport } from './transport'

/** Without a word for so long the server is lost, milliseconds; it says something at least every 2.5 s. */
const SILENCE_MS = 5_000
/** Pauses before the next tries, milliseconds; a fifth more or less each, so that tabs do not come all at once. */
const PAUSES_MS = [250, 500, 1_000, 2_000, 5_000]

/** How the stream stands. */
export interface Contact {
  readonly state: 'opening' | 'live' | 'lost' | 'restarting' | 'logged-out'
  /** When the last word came; 0: none yet. */
  readonly heardAt: number
  /** When the next try begins; 0: one is under way, or none is needed. */
  readonly nextTryAt: number
}

/** Who hears of it. */
export interface Listener {
  onMessages(messages: readonly WatchResponse[]): void
  onContact(contact: Contact): void
  /** The event after which to go on; 0n: all anew. */
  number(): bigint
}

/** Opens at `start`, ends at `stop`; holds one stream and three timers at most. */
export class Stream {
  private readonly listener: Listener
  private readonly server = createClient(ServerService, transport)
  private contact: Contact = { state: 'opening', heardAt: 0, nextTryAt: 0 }
  private running: AbortController | undefined
  private tries = 0
  private retry: ReturnType<typeof setTimeout> | undefined
  private guard: ReturnType<typeof setInterval> | undefined
  private readonly waiting: WatchResponse[] = []
  private frame: ReturnType<typeof setTimeout> | undefined
  private openedAt = 0
  /** Since when it is looked at: nothing was to be heard before. */
  private shownAt = 0

  constructor(listener: Listener) {
    this.listener = listener
  }

  /** `heardAt`: when the last word came to an earlier page, whose data is shown. */
  start(heardAt = 0): void {
    this.tell({ heardAt })
    document.addEventListener('visibilitychange', this.onVisibility)
    addEventListener(LOGGED_OUT, this.onLoggedOut)
    this.guard = setInterval(() => this.judge(), 500)
    this.shownAt = Date.now()
    if (!document.hidden) this.open()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.onVisibility)
    removeEventListener(LOGGED_OUT, this.onLoggedOut)
    clearInterval(this.guard)
    this.close()
  }

  /** At once, whatever pause there is, also after a new login. */
  readonly tryNow = (): void => {
    this.close()
    if (this.contact.state === 'logged-out') this.tell({ state: 'opening' })
    this.open()
  }

  private readonly onVisibility = (): void => {
    if (document.hidden) {
      this.close()
      return
    }
    this.shownAt = Date.now()
    if (this.running === undefined) this.open()
  }

  private readonly onLoggedOut = (): void => {
    this.close()
    this.tell({ state: 'logged-out', nextTryAt: 0 })
  }

  private close(): void {
    clearTimeout(this.retry)
    clearTimeout(this.frame)
    this.frame = undefined
    this.waiting.length = 0
    this.running?.abort()
    this.running = undefined
  }

  private open(): void {
    if (this.running !== undefined || this.contact.state === 'logged-out') return
    const running = new AbortController()
    this.running = running
    this.openedAt = Date.now()
    this.tell({ nextTryAt: 0 })
    this.read(running).catch(error => this.onEnd(running, error))
  }

  private async read(running: AbortController): Promise<void> {
    const messages = this.server.watch({ after: this.listener.number() }, { signal: running.signal, timeoutMs: 0 })
    for await (const message of messages) {
      if (this.running !== running) return
      this.tries = 0
      const isLast = message.message.case === 'restarting'
      this.tell({ state: isLast ? 'restarting' : 'live', heardAt: Date.now() })
      this.take(message)
    }
    this.onEnd(running, undefined)
  }

  /** What comes together is told together: a page is drawn once for it. */
  private take(message: WatchResponse): void {
    this.waiting.push(message)
    this.frame ??= setTimeout(() => {
      this.frame = undefined
      this.listener.onMessages(this.waiting.splice(0))
    }, 16)
  }

  private onEnd(running: AbortController, error: unknown): void {
    if (this.running !== running) return
    this.running = undefined
    if (error !== undefined && ConnectError.from(error).code === Code.Unauthenticated) {
      this.onLoggedOut()
      return
    }
    const pause = (PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)] ?? 5_000) * (0.8 + Math.random() * 0.4)
    this.tell({ nextTryAt: Date.now() + pause })
    this.retry = setTimeout(() => this.open(), pause)
  }

  /** Twice a second: is the server silent for too long? */
  private judge(): void {
    if (document.hidden || this.contact.state === 'logged-out') return
    const { running } = this
    const now = Date.now()
    this.setBackTo(now)
    if (running !== undefined && now - Math.max(this.contact.heardAt, this.openedAt) > SILENCE_MS) {
      running.abort()
      this.onEnd(running, new ConnectError('nothing was heard', Code.DeadlineExceeded))
    }
    const isSilent = now - Math.max(this.contact.heardAt, this.shownAt) > SILENCE_MS
    if (isSilent && this.contact.state !== 'lost') this.tell({ state: 'lost' })
  }

  /** A clock that was set back must not make silence look shorter. */
  private setBackTo(now: number): void {
    this.openedAt = Math.min(this.openedAt, now)
    this.shownAt = Math.min(this.shownAt, now)
    if (this.contact.heardAt > now) this.tell({ heardAt: now })
  }

  private tell(change: Partial<Contact>): void {
    this.contact = { ...this.contact, ...change }
    this.listener.onContact(this.contact)
  }
}
