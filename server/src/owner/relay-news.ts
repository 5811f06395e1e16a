// From what the relay tells to events, and to the book of clients.

import type { Clock } from '@pbt/proto'
import type { Refusals } from '../observe/refusals.ts'
import type { ClientFacts, RelayNews } from '../relay/news.ts'
import type { ClientRecords, SeenClient } from './client-records.ts'
import type { Tell } from './event.ts'
import type { EventLog } from './events.ts'
import * as happened from './happenings.ts'
import type { RefusalEvents } from './refusal-events.ts'
import { WriteBehind } from './write-behind.ts'

/** Where news of the relay goes. */
export interface NewsOptions {
  readonly tell: Tell
  readonly refusals: RefusalEvents
  /** What is remembered of refusals; those of visitors the access log tells. */
  readonly turnedAway: Pick<Refusals, 'note'>
  readonly clients: ClientRecords
  readonly clock: Clock
  readonly log: EventLog
}

/** Every event of a client and its tunnels is told, and when it was seen is written behind everybody's back. */
export class NewsDesk implements RelayNews {
  private readonly tell: Tell
  private readonly refusals: RefusalEvents
  private readonly turnedAway: NewsOptions['turnedAway']
  private readonly seen: WriteBehind<SeenClient>

  constructor({ tell, refusals, turnedAway, clients, clock, log }: NewsOptions) {
    this.tell = tell
    this.refusals = refusals
    this.turnedAway = turnedAway
    this.seen = new WriteBehind({
      write: batch => clients.seen(latestOf(batch)),
      onFailure: error => log.error('clients cannot be written and are queued', { error: String(error) }),
      onRecovery: lost => log.info('clients are written again', { lost }),
      clock,
    })
  }

  /** Resolves when all that was told is written, as far as the database takes it in time. */
  async end(): Promise<void> {
    await this.seen.end()
  }

  readonly clientConnected: RelayNews['clientConnected'] = client => {
    this.see(client)
    this.tell(happened.clientConnected(client))
  }

  readonly clientLost: RelayNews['clientLost'] = (client, why, open) => {
    this.see(client)
    this.tell(happened.clientLost(client, why, open))
  }

  readonly clientResumed: RelayNews['clientResumed'] = (client, how) => {
    this.see(client)
    this.tell(happened.clientResumed(client, how))
  }

  readonly clientGone: RelayNews['clientGone'] = (client, why, open) => {
    this.tell(happened.clientGone(client, why, open))
  }

  readonly tunnelOnline: RelayNews['tunnelOnline'] = (...told) => this.tell(happened.tunnelOnline(...told))
  readonly tunnelOffline: RelayNews['tunnelOffline'] = (...told) => this.tell(happened.tunnelOffline(...told))
  readonly tunnelRefused: RelayNews['tunnelRefused'] = (...told) => this.tell(happened.tunnelRefused(...told))
  readonly targetRefuses: RelayNews['targetRefuses'] = (...told) => this.tell(happened.targetRefuses(...told))
  readonly targetAnswers: RelayNews['targetAnswers'] = (...told) => this.tell(happened.targetAnswers(...told))

  readonly tokenTaken: RelayNews['tokenTaken'] = (client, notStored) => {
    this.see(client)
    this.tell(happened.tokenTaken(client, client.tokenId, notStored))
  }

  readonly visitorRefused: RelayNews['visitorRefused'] = (tunnel, peer, rule) =>
    this.refusals.refused({ peer, tunnel, rule })

  readonly tokenRefused: RelayNews['tokenRefused'] = peer => {
    this.turnedAway.note(peer, '', 'token-refused')
    this.refusals.refused({ peer, tunnel: '', rule: 'token-refused' })
  }

  private see({ clientId: id, machineId, label, agent, minor, address, tokenId }: ClientFacts): void {
    this.seen.add({ id, machineId, label, agent, minor, address, tokenId, lastSeenAt: new Date() })
  }
}

/** Each once. */
function latestOf(batch: readonly SeenClient[]): SeenClient[] {
  return [...new Map(batch.map(client => [client.id, client])).values()]
}
