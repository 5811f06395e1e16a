// What a session tells of its link: since when it has it, what was open when it broke, and what came through.
import type { Clock, Mux } from '@pbt/proto'
import type { OpenTunnel } from '@pbt/proto/tunnel/v1'
import type { ClientFacts, Ending, RelayNews, TunnelFacts } from './news.ts'
import { kindOf } from './tunnel.ts'

const NAME_CHARS = 100
const TARGET_CHARS = 500

/** Tells of one session when it gets, loses or resumes its link, and when it ends. */
export class SessionNews {
  /** Where the client came from last; '' before its first link. */
  address = ''
  /** When it got its link, or lost it. */
  since = new Date()
  private readonly client: ClientFacts
  private readonly mux: Mux
  private readonly news: RelayNews
  private readonly clock: Clock
  /** A link was lost, with these channels open; undefined: there was none yet. */
  private loss: { readonly at: number; readonly open: number; readonly newest: number } | undefined

  constructor(client: ClientFacts, mux: Mux, { news, clock }: { readonly news: RelayNews; readonly clock: Clock }) {
    this.client = client
    this.mux = mux
    this.news = news
    this.clock = clock
  }

  /** It has a link. `isInPlace`: instead of another one, whose end was not noticed. */
  attached(address: string, isInPlace: boolean): void {
    this.address = address
    this.since = new Date()
    if (isInPlace) this.loss = this.lossNow()
    if (this.loss === undefined) {
      this.news.clientConnected(this.client)
      return
    }
    const { at, open, newest } = this.loss
    const wentOn = this.mux.channels.countUpTo(newest)
    this.news.clientResumed(this.client, { awayMs: this.clock.now() - at, wentOn, lost: open - wentOn })
  }

  lost(why: string): void {
    this.since = new Date()
    this.loss = this.lossNow()
    this.news.clientLost(this.client, why, this.loss.open)
  }

  /** Nothing for one that never had a link: it was never told of. */
  gone(why: Ending, open: number): void {
    if (this.address !== '') this.news.clientGone(this.client, why, open)
  }

  private lossNow() {
    return { at: this.clock.now(), open: this.mux.channels.size, newest: this.mux.channels.newest }
  }
}

/** What a tunnel was to be, which has no name yet. */
export function wishOf({ name, domains, port, kind, target }: OpenTunnel): TunnelFacts {
  const wanted = name || domains[0] || (port > 0 ? `port ${port}` : target)
  return { name: wanted.slice(0, NAME_CHARS), kind: kindOf(kind) ?? '', target: target.slice(0, TARGET_CHARS) }
}
