// How everything is now: for the first message of Watch, and for what an event is about. Read once for all who watch.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { Clock } from '@pbt/proto'
import { type EventNoticeSchema, type Snapshot, SnapshotSchema } from '@pbt/proto/admin/v1'
import type { KeptEvent } from '../owner/event.ts'
import type { Owner } from '../owner/owner.ts'
import { eventMessage } from './events.ts'
import { addressMessage } from './services/address.ts'
import { clientMessage } from './services/client.ts'
import { refusalMessage } from './services/log.ts'
import { infoMessage } from './services/server.ts'
import { tokenMessage } from './services/token.ts'
import { tunnelMessage } from './services/tunnel.ts'

type Notice = MessageInitShape<typeof EventNoticeSchema>

/** A snapshot is good for so long for others who come, milliseconds: the events since then follow it. */
const SHARED_MS = 1_000
/** Notices that are kept for those who come to them a little later. */
const NOTICES = 1_000

/** The verbs whose answers are shown. */
export type ShownOwner = Pick<Owner, 'addresses' | 'clients' | 'log' | 'server' | 'tokens' | 'tunnels' | 'urlOf'>

export interface ViewOptions {
  readonly owner: ShownOwner
  /** The newest event's number. */
  readonly last: () => number
  readonly clock: Clock
}

export class View {
  private readonly options: ViewOptions
  private shared: { readonly at: number; readonly snapshot: Promise<Snapshot> } | undefined
  private readonly notices = new Map<number, Promise<Notice>>()

  constructor(options: ViewOptions) {
    this.options = options
  }

  /** Everything as it is now, with the number of an event that it is not older than. */
  async snapshot(): Promise<Snapshot> {
    const now = this.options.clock.now()
    if (this.shared === undefined || now - this.shared.at > SHARED_MS) {
      this.shared = { at: now, snapshot: this.read() }
      // The next one tries again.
      this.shared.snapshot.catch(() => {
        this.shared = undefined
      })
    }
    return await this.shared.snapshot
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

  private async read(): Promise<Snapshot> {
    const { owner, last } = this.options
    const number = BigInt(last())
    const { refusals } = await owner.log.refusals()
    return create(SnapshotSchema, {
      number,
      tunnels: (await owner.tunnels.list()).map(view => tunnelMessage(view, owner.urlOf)),
      clients: (await owner.clients.list()).map(clientMessage),
      addresses: (await owner.addresses.list()).map(kept => addressMessage(kept, owner.urlOf(kept.address))),
      tokens: (await owner.tokens.list()).map(tokenMessage),
      refusals: refusals.map(refusal => refusalMessage(refusal, '')),
      server: infoMessage(owner, Number(number), ''),
    })
  }

  private async readNotice(event: KeptEvent): Promise<Notice> {
    const { client = '', address = '', tunnel = '' } = event.fields
    const gone: string[] = []
    const notice: Notice = { event: eventMessage(event), gone }
    if (/^(client|tunnel|token)\./.test(event.kind) && client !== '') {
      const found = await this.options.owner.clients.find(client)
      if (found === undefined) gone.push(client)
      else notice.clients = [clientMessage(found)]
    }
    if (/^(address|allowlist|tunnel)\./.test(event.kind))
      Object.assign(notice, await this.addressesOf(address, tunnel, gone))
    if (tunnel !== '') {
      const found = await this.options.owner.tunnels.find(tunnel)
      if (found === undefined) gone.push(tunnel)
      else notice.tunnels = [tunnelMessage(found, this.options.owner.urlOf)]
    }
    if (event.kind.startsWith('token.')) notice.tokens = (await this.options.owner.tokens.list()).map(tokenMessage)
    return notice
  }

  /** The one that the event names, and all of its tunnel. */
  private async addressesOf(address: string, tunnel: string, gone: string[]): Promise<Pick<Notice, 'addresses'>> {
    const { addresses, urlOf } = this.options.owner
    const found = (await addresses.list()).filter(
      kept => kept.address === address || (tunnel !== '' && kept.tunnel === tunnel),
    )
    if (address !== '' && !found.some(kept => kept.address === address)) gone.push(address)
    return { addresses: found.map(kept => addressMessage(kept, urlOf(kept.address))) }
  }
}
