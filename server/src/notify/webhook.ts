// One receiver of events: gets them in their order, each until it takes it, and holds up no other receiver.
import type { Clock } from '@pbt/proto'
import type { Log } from '../observe/log.ts'
import type { KeptEvent } from '../owner/event.ts'
import type { EventReader } from '../owner/event-reader.ts'
import type { Events } from '../owner/events.ts'
import { type Outcome, post } from './post.ts'
import { signedFields } from './signature.ts'

/** Between two tries, milliseconds: twice as long each time, up to the second, and less by chance. */
const RETRY_MS = 1_000
const MAX_RETRY_MS = 300_000
/** Tries of what the receiver says it will never take. */
const REFUSALS = 3
/** Events that wait for a receiver; older ones are not sent any more. */
const MAX_WAITING = 1_000
const PAGE = 50
/** A reader with nothing to read looks again after this, milliseconds. */
const IDLE_MS = 60_000
/** What a stopping server waits for its last events to be taken, milliseconds. */
const END_MS = 2_000

/** Where to send, which kinds of events, and the key they are signed with, if any. */
export interface WebhookOptions {
  readonly url: URL
  readonly wants: (kind: string) => boolean
  readonly key: Buffer | undefined
  /** For its title: the base domain. */
  readonly server: string
  readonly events: Events
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
  readonly log: Log
}

/** Tries again as long as that can help; events that it gives up are logged and counted. */
export class Webhook {
  /** Events that it wanted and did not get. */
  lost = 0
  private readonly options: WebhookOptions
  private readonly reader: EventReader
  private readonly running: Promise<void>
  private readonly stopping = new AbortController()
  private lostTold = 0
  private isFailing = false

  /** Sends what happens from now on. */
  constructor(options: WebhookOptions) {
    this.options = options
    this.reader = options.events.reader()
    this.running = this.run().catch((error: unknown) =>
      options.log.error('events are no longer sent', { to: this.name, error: String(error) }),
    )
  }

  /** Where it is, without what may be secret of its address. */
  get name(): string {
    return this.options.url.host
  }

  /** Sends what is left, as far as the receiver takes it in time. */
  async end(): Promise<void> {
    const { clock, events, log } = this.options
    const until = clock.now() + END_MS
    const timer = clock.after(END_MS, () => this.stopping.abort())
    // Waiting for a receiver that is away is in vain.
    if (this.isFailing) this.stopping.abort()
    while (this.reader.at < events.last && !this.stopping.signal.aborted && clock.now() < until) await this.idle(20)
    this.stopping.abort()
    this.reader.end()
    await this.running
    timer.clear()
    if (this.lost > this.lostTold) log.warn('events were not sent', { to: this.name, lost: this.lost })
  }

  private async run(): Promise<void> {
    const { reader, options } = this
    for (;;) {
      const before = reader.at
      const { events, isMissing } = await reader.take(PAGE)
      if (isMissing) this.lost += Math.max(0, reader.at - before)
      // One by one, so that the end knows how far it is.
      reader.at -= events.length
      for (const event of events) {
        if (options.wants(event.kind)) await this.deliver(event)
        reader.at = event.number
      }
      if (events.length > 0) continue
      if (reader.isOver) return
      await reader.wait(IDLE_MS)
    }
  }

  /** Resolves when it was taken, or is given up. */
  private async deliver(event: KeptEvent): Promise<void> {
    const { events, random } = this.options
    for (let tries = 1; ; tries++) {
      if (events.last - event.number >= MAX_WAITING || this.stopping.signal.aborted) break
      const outcome = await this.send(event)
      if (outcome.kind === 'taken') {
        this.taken()
        return
      }
      this.refused(outcome.reason)
      if (!outcome.mayPass && tries >= REFUSALS) break
      const pauseMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (tries - 1))
      await this.idle(pauseMs * (0.5 + random() / 2))
    }
    this.lost++
  }

  private send(event: KeptEvent): Promise<Outcome> {
    const { url, key, server, clock } = this.options
    const body = bodyOf(event, server, this.lost - this.lostTold)
    const fields = signedFields(`${server}-${event.number}`, Math.floor(Date.now() / 1_000), body, key)
    return post(url, { ...fields, ...NTFY }, body, clock, this.stopping.signal)
  }

  private taken(): void {
    const lost = this.lost - this.lostTold
    if (this.isFailing) this.options.log.info('events are sent again', { to: this.name, lost })
    this.isFailing = false
    this.lostTold = this.lost
  }

  private refused(reason: string): void {
    if (!this.isFailing)
      this.options.log.warn('an event was not accepted and will be sent again', { to: this.name, reason })
    this.isFailing = true
  }

  /** Until the server stops at most. */
  private idle(ms: number): Promise<void> {
    const { signal } = this.stopping
    return new Promise(resolve => {
      const done = () => {
        timer.clear()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.options.clock.after(ms, done)
      signal.addEventListener('abort', done, { once: true })
      if (signal.aborted) done()
    })
  }
}

/** ntfy makes its message of these fields of the body (https://docs.ntfy.sh/publish, "Message templating"); no other receiver reads them. */
const NTFY = { 'x-template': 'yes', 'x-title': '{{.title}}', 'x-message': '{{.message}}' }

/** `lost`: events that the receiver did not get, since the last one that it took. */
function bodyOf({ number, at, kind, subject, message, fields }: KeptEvent, server: string, lost: number): string {
  return JSON.stringify({
    type: kind,
    timestamp: at.toISOString(),
    title: `${server}: ${kind.replace('.', ' ').replaceAll('-', ' ')}`,
    message,
    data: { server, number, subject, fields, lost },
  })
}
