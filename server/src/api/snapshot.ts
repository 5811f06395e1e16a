// How everything is now: for the first message of Watch, and for what an event is about. Read once for all who watch.
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Clock } from '@pbt/proto'
import type {
  EventNoticeSchema,
  GetServerInfoResponseSchema,
  RefusalSchema,
  SnapshotSchema,
  TunnelSchema,
} from '@pbt/proto/admin/v1'
import type { KeptEvent } from '../owner/event.ts'
import type { Owner } from '../owner/owner.ts'
import { eventMessage } from './events.ts'
import { addressMessage } from './services/address.ts'
import { clientMessage } from './services/client.ts'
import { tokenMessage } from './services/token.ts'

type Snapshot = MessageInitShape<typeof SnapshotSchema>
type Notice = MessageInitShape<typeof EventNoticeSchema>
type TunnelMessage = MessageInitShape<typeof TunnelSchema>

/** What other services tell, as they come to be; what is not there is not told. */
export interface Parts {
  readonly tunnels?: () => Promise<TunnelMessage[]>
  /** One of them; undefined: there is none. */
  readonly tunnel?: (name: string) => Promise<TunnelMessage | undefined>
  readonly refusals?: () => Promise<MessageInitShape<typeof RefusalSchema>[]>
  readonly server?: () => Promise<MessageInitShape<typeof GetServerInfoResponseSchema>>
}

/** A snapshot is good for so long for others who come, milliseconds: the events since then follow it. */
const SHARED_MS = 1_000
/** Notices that are kept for those who come to them a little later. */
const NOTICES = 1_000

export interface ViewOptions {
  readonly owner: Pick<Owner, 'addresses' | 'clients' | 'tokens' | 'urlOf'>
  readonly parts: Parts
  /** The newest event's number. */
  readonly last: () => number
  readonly clock: Clock
}

export class View {
  private readonly options: ViewOptions
  private shared: { readonly at: number; readonly snapshot: Promise<Snapshot & { number: bigint }> } | undefined
  private readonly notices = new Map<number, Promise<Notice>>()

  constructor(options: ViewOptions) {
    this.options = options
  }

  /** Everything as it is now, with the number of an event that it is not older than. */
  async snapshot(): Promise<Snapshot & { number: bigint }> {
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

  private async read(): Promise<Snapshot & { number: bigint }> {
    const { owner, parts, last } = this.options
    const number = BigInt(last())
    const [tunnels, refusals, server] = await Promise.all([parts.tunnels?.(), parts.refusals?.(), parts.server?.()])
    return {
      number,
      clients: (await owner.clients.list()).map(clientMessage),
      addresses: (await owner.addresses.list()).map(kept => addressMessage(kept, owner.urlOf(kept.address))),
      tokens: (await owner.tokens.list()).map(tokenMessage),
      ...(tunnels && { tunnels }),
      ...(refusals && { refusals }),
      ...(server && { server }),
    }
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
    if (tunnel !== '' && this.options.parts.tunnel !== undefined) {
      const found = await this.options.parts.tunnel(tunnel)
      if (found !== undefined) notice.tunnels = [found]
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
