// Opens the relay: which address leads where, the sessions of clients, and the service that they link to.
import { type Clock, GRACE_MS } from '@pbt/proto'
import type { TokenCheck } from '../access/token-check.ts'
import type { Log } from '../observe/log.ts'
import { hostOf, keptAddress, type Protocol } from './address.ts'
import { Addresses, type AddressStore } from './addresses.ts'
import { type AllowlistStore, Allowlists } from './allowlists.ts'
import type { ComingCertificates, Keyring } from './keyring.ts'
import type { LetInVerb } from './letting-in.ts'
import { LiveTunnels } from './live.ts'
import type { RelayNews } from './news.ts'
import { type Listeners, type PortRange, whyNotListening } from './port-choice.ts'
import type { Registry } from './registry.ts'
import { LinkService } from './service.ts'
import { Sessions } from './sessions.ts'
import { Steering, type SteeringStore } from './steering.ts'
import { TokenOffer } from './token-offer.ts'
import { TunnelEnds } from './tunnel-ends.ts'
import { urlOf, withoutCertificate } from './urls.ts'

export interface RelayOptions {
  readonly registry: Registry
  readonly store: AddressStore & AllowlistStore
  readonly tunnels: SteeringStore
  readonly listeners: Listeners
  readonly keyring: Keyring
  /** What is told of an address that no certificate covers, and who hears that a tunnel needs one; undefined: none comes by itself. */
  readonly certificates: ComingCertificates | undefined
  readonly baseDomain: string
  /** The port that visitors of names come to. */
  readonly httpsPort: () => number
  readonly portRange: PortRange
  /** Whence the system takes ports for connections of its own. */
  readonly ephemeral: PortRange | undefined
  /** TCP ports that pbt-server itself has. */
  readonly ownPorts: readonly number[]
  readonly tokens: TokenCheck
  /** The owner's verb that lets somebody in. */
  readonly letIn: LetInVerb
  /** A client connected with this token. */
  readonly tokenUsed: (tokenId: number) => void
  readonly agent: string
  /** Hears what happens to clients and tunnels. */
  readonly news: RelayNews
  readonly clock: Clock
  readonly log: Log
}

export interface Relay {
  readonly sessions: Sessions
  readonly links: LinkService
  /** Where tunnels may be, and why not there. */
  readonly ports: {
    readonly first: number
    readonly last: number
    obstacle(protocol: Protocol, number: number): Promise<string>
  }
  /** What is open now. */
  readonly live: LiveTunnels
  /** Gives clients a newer token. */
  readonly tokenOffer: TokenOffer
  /** Why visitors of an address do not get there yet, and what to do; undefined: they do. */
  waitingAt(text: string): { readonly reason: string; readonly cure: string } | undefined
  /** Reads again what the owner may have changed. */
  reload(): Promise<void>
  end(): void
}

/** Everything that is kept is known when this resolves, and reserved ports are listened on. */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  const { portRange, clock } = options
  const kept = await openKept(options)
  const { addresses, allowlists, steering } = kept
  const ends = new TunnelEnds()
  const news = newsFor(options, ends.listening(options.news), clientId => tokenOffer.connected(clientId))
  const sessions = sessionsOver(options, kept, news)
  const tokenOffer = new TokenOffer(sessions, clock)
  const links = linksTo(sessions, options)
  const reload = async () => {
    await steering.load()
    addresses.endAwaited()
    sessions.endKilled()
    await allowlists.load()
    sessions.judgeAgain()
    await addresses.reload()
  }
  const ports = {
    ...portRange,
    obstacle: (protocol: Protocol, number: number) => addresses.obstacleOf(protocol, number),
  }
  const live = new LiveTunnels({ sessions, addresses, ends, clock })
  const waitingAt = (text: string) => withoutCover(text, options)
  const end = () => {
    tokenOffer.end()
    links.close()
  }
  return { sessions, links, live, tokenOffer, waitingAt, ports, reload, end }
}

/** What is kept of addresses and tunnels, and is known before anybody comes. */
interface Kept {
  readonly addresses: Addresses
  readonly allowlists: Allowlists
  readonly steering: Steering
}

async function openKept(options: RelayOptions): Promise<Kept> {
  const { registry, store, listeners, baseDomain, portRange, ephemeral, ownPorts, log } = options
  const steering = new Steering(options.tunnels)
  await steering.load()
  const addresses = new Addresses({
    baseDomain,
    steering,
    registry,
    store,
    range: portRange,
    ephemeral,
    listeners,
    isOwn: (protocol, number) => protocol === 'tcp' && ownPorts.includes(number),
    log,
  })
  await loadAddresses(addresses, portRange, log)
  const allowlists = new Allowlists({ store, baseDomain, log })
  await allowlists.load()
  return { addresses, allowlists, steering }
}

function sessionsOver(options: RelayOptions, kept: Kept, news: RelayNews): Sessions {
  const { clock, log, keyring, certificates, baseDomain, agent, letIn, httpsPort } = options
  return new Sessions({
    ...kept,
    ...{ clock, log, keyring, certificates, baseDomain, agent, letIn, news },
    urlOf: address => urlOf(address, baseDomain, httpsPort()),
    random: Math.random,
  })
}

function linksTo(sessions: Sessions, { clock, log, tokens, news, tokenUsed }: RelayOptions): LinkService {
  return new LinkService({
    ...{ clock, log, tokens, news },
    join: (hello, tokenId) => {
      tokenUsed(tokenId)
      return sessions.join(hello, tokenId)
    },
  })
}

/** Clients that connect are sent a token that waits for them, and what they take is in use. */
function newsFor({ tokenUsed }: RelayOptions, heard: RelayNews, connected: (clientId: string) => void): RelayNews {
  return {
    ...heard,
    clientConnected: client => {
      heard.clientConnected(client)
      connected(client.clientId)
    },
    tokenTaken: (client, notStored) => {
      tokenUsed(client.tokenId)
      heard.tokenTaken(client, notStored)
    },
  }
}

function withoutCover(text: string, { baseDomain, keyring, certificates }: RelayOptions) {
  const address = keptAddress(text, baseDomain)
  if ('number' in address || keyring.covers(hostOf(address), hostOf(address))) return undefined
  return certificates?.missing(address) ?? withoutCertificate(address)
}

async function loadAddresses(addresses: Addresses, { first, last }: PortRange, log: Log): Promise<void> {
  const { failed, outside } = await addresses.load(GRACE_MS)
  for (const { address, error } of failed) {
    log.error('cannot listen on a reserved port', { port: address.text, reason: whyNotListening(error) })
  }
  if (outside.length === 0) return
  const ports = outside.map(({ text }) => text)
  log.warn('reserved ports are kept but outside of port-range', { ports, range: `${first}-${last}` })
}
