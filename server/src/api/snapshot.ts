// How everything is now: for the first message of Watch, and for what an event is about. Read once for all watchers.
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Clock } from '@pbt/proto'
import type { EventNoticeSchema, SnapshotSchema } from '@pbt/proto/admin/v1'
import type { KeptAddress } from '../owner/addresses.ts'
import type { KeptEvent } from '../owner/event.ts'
import type { Owner } from '../owner/owner.ts'
import type { TunnelView } from '../owner/tunnels.ts'
import { eventMessage } from './events.ts'
import { addressMessage } from './services/address.ts'
import { clientMessage } from './services/client.ts'
import { domainMessage } from './services/domain.ts'
import { refusalMessage } from './services/log.ts'
import { infoMessage } from './services/server.ts'
import { tokenMessage } from './services/token.ts'
import { tunnelMessage } from './services/tunnel.ts'

type Snapshot = MessageInitShape<typeof SnapshotSchema> & { readonly number: bigint }
type Notice = MessageInitShape<typeof EventNoticeSchema>

/** A snapshot is good for so long for later watchers, milliseconds: the events since then follow it. */
const SHARED_MS = 1_000
/** Events that a snapshot tells of. */
const EVENTS = 100
/** Notices that are kept for watchers that read a little later. */
const NOTICES = 1_000

/** The verbs that it looks with. */
export type Sights = Pick<
  Owner,
  'addresses' | 'clients' | 'domains' | 'tokens' | 'tunnels' | 'log' | 'server' | 'urlOf'
>

/** What is shown, and the number of the newest event. */
export interface ViewOptions {
  readonly owner: Sights
  /** The newest event's number. */
  readonly last: () => number
  /** Those after a number, the oldest first, at most `most`. */
  readonly after: (number: number, most: number) => Promise<readonly KeptEvent[]>
  readonly clock: Clock
}

/** What notices are made of. */
interface Lists {
  /** It is not older than this event. */
  readonly number: number
  readonly read: Promise<{ readonly tunnels: readonly TunnelView[]; readonly addresses: readonly KeptAddress[] }>
}

/** One for all watchers: those that ask at the same time get the same reading. */
export class View {
  private readonly options: ViewOptions
  private shared: { readonly at: number; readonly parts: ReturnType<View['readAll']> } | undefined
  private lists: Lists | undefined
  private readonly notices = new Map<number, Promise<Notice>>()

  constructor(options: ViewOptions) {
    this.options = options
  }

  /** Everything as it is now, with the number of an event that it is not older than. `you`: the caller's address. */
  async snapshot(you: string): Promise<Snapshot> {
    const { clock, owner, last } = this.options
    const now = clock.now()
    if (this.shared === undefined || now - this.shared.at > SHARED_MS) {
      this.shared = { at: now, parts: this.readAll() }
      // The next one tries again.
      this.shared.parts.catch(() => {
        this.shared = undefined
      })
    }
    const { refusals, ...parts } = await this.shared.parts
    return {
      ...parts,
      refusals: refusals.map(refusal => refusalMessage(refusal, you)),
      server: infoMessage(owner, last(), you),
    }
  }

  /** The event, with how what it is about is now. */
  async notice(event: KeptEvent): Promise<Notice> {
    const known = this.notices.get(event.number)
    if (known !== undefined) return await known
    const notice = this.readNotice(event)
    this.notices.set(event.number, notice)
    notice.catch(() => this.notices.delete(event.number))
    const [oldest] = this.notices.keys()
    if (this.notices.size > NOTICES && oldest !== undefined) this.notices.delete(oldest)
    return await notice
  }

  private async readAll() {
    const { owner, last, after } = this.options
    const number = BigInt(last())
    const events = await after(Math.max(0, Number(number) - EVENTS), EVENTS)
    const { refusals } = await owner.log.refusals()
    return {
      number,
      tunnels: (await owner.tunnels.list()).map(view => tunnelMessage(view, owner.urlOf)),
      clients: (await owner.clients.list()).map(clientMessage),
      addresses: (await owner.addresses.list()).map(kept => addressMessage(kept, owner.urlOf(kept.address))),
      domains: (await owner.domains.list()).map(view => domainMessage(view, owner.urlOf)),
      tokens: (await owner.tokens.list()).map(tokenMessage),
      refusals,
      events: events.map(eventMessage).reverse(),
    }
  }

  private async readNotice(event: KeptEvent): Promise<Notice> {
    const { owner } = this.options
    const { client = '', tunnel = '' } = event.fields
    const [subject] = event.kind.split('.')
    // A domain is an address too: that it is kept, and what visitors there wait for, changes with it.
    const address = subject === 'domain' ? event.subject : (event.fields.address ?? '')
    const notice: Notice = { event: eventMessage(event) }
    const gone: string[] = []
    if (client !== '' && subject !== 'visitor') {
      const found = await owner.clients.find(client)
      if (found === undefined) gone.push(client)
      else notice.clients = [clientMessage(found)]
    }
    if (subject === 'token') notice.tokens = (await owner.tokens.list()).map(tokenMessage)
    if (subject === 'domain') {
      const found = await owner.domains.find(event.subject)
      if (found === undefined) gone.push(event.subject)
      else notice.domains = [domainMessage(found, owner.urlOf)]
    }
    if (/^(client|tunnel|address|allowlist|domain)$/.test(subject ?? '')) {
      const { tunnels, addresses } = await this.listsAt(event.number)
      const held = addresses.filter(each => each.address === address || (tunnel !== '' && each.tunnel === tunnel))
      const names = new Set([tunnel, ...held.map(each => each.tunnel)])
      const concerned = tunnels.filter(
        view => names.has(view.name) || (subject === 'client' && view.clientId === client),
      )
      notice.addresses = held.map(each => addressMessage(each, owner.urlOf(each.address)))
      notice.tunnels = concerned.map(view => tunnelMessage(view, owner.urlOf))
      const isGone = address !== '' && !addresses.some(each => each.address === address)
      if (isGone && subject !== 'domain') gone.push(address)
    }
    return { ...notice, gone }
  }

  /** As they are at this event or after it: read once for all events that are there by then. */
  private async listsAt(number: number): Promise<Awaited<Lists['read']>> {
    if (this.lists === undefined || this.lists.number < number) {
      const { owner, last } = this.options
      const read = async () => ({ tunnels: await owner.tunnels.list(), addresses: await owner.addresses.list() })
      const lists = { number: last(), read: read() }
      this.lists = lists
      lists.read.catch(() => {
        if (this.lists === lists) this.lists = undefined
      })
    }
    return await this.lists.read
  }
}
