// The tunnels of one session: how they are opened and closed, by the client or the owner, and what the client is told of them.
import { create, equals } from '@bufbuild/protobuf'
import { Allowance, type Clock, type ErrorCode, MAX_TUNNELS, type Mux, PbtError, reasonOf } from '@pbt/proto'
import {
  type OpenTunnel,
  type TargetHealth,
  TargetHealth_State,
  TunnelClosedSchema,
  type TunnelOpened,
  TunnelOpenedSchema,
  TunnelRefusedSchema,
} from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { type Address, hostOf } from './address.ts'
import type { Addresses, Claimed } from './addresses.ts'
import type { Allowlists } from './allowlists.ts'
import type { ComingCertificates, Keyring } from './keyring.ts'
import type { ClientFacts, Ending, RelayNews } from './news.ts'
import { wishOf } from './session-news.ts'
import { killed, type Steering } from './steering.ts'
import { Tunnel, type TunnelSession } from './tunnel.ts'
import { withoutCertificate } from './urls.ts'

/** What the tunnels of all sessions have in common. */
export interface TunnelsContext {
  readonly clock: Clock
  readonly addresses: Addresses
  readonly allowlists: Allowlists
  readonly keyring: Keyring
  /** undefined: no certificate comes by itself. */
  readonly certificates: ComingCertificates | undefined
  readonly steering: Steering
  /** As visitors give it, for example `https://myapp.localhost:8443` or `tcp://localhost:20022`. */
  readonly urlOf: (address: Address) => string
  readonly news: RelayNews
}

/** The session that they are of. */
export interface TunnelsOwner extends ClientFacts {
  readonly generation: bigint
  readonly mux: Mux
  readonly isAttached: boolean
  readonly isClosed: boolean
  readonly isClientShort: boolean
  noteClientShort(): void
}

const NAME_CHARS = 100
/** Of an allowlist, which may have thousands of blocks, the client is told as many as a person reads. */
const TOLD_BLOCKS = 16
/** What a session may tell of its targets at once, and a second in the long run: each tunnel once in 2 s. */
const HEALTH_NEWS = 4 * MAX_TUNNELS
const HEALTH_NEWS_A_SECOND = MAX_TUNNELS / 2
const MAX_HEALTH_CHARS = 300

/** Owns the tunnels of one client; each ends at the latest with the session. */
export class SessionTunnels implements TunnelSession {
  private readonly owner: TunnelsOwner
  private readonly context: TunnelsContext
  private readonly log: Log
  private readonly all = new Map<number, Tunnel>()
  /** What the client knows of each tunnel that is online, as it was sent. */
  private readonly told = new Map<Tunnel, TunnelOpened>()
  private readonly healthNews: Allowance

  constructor(owner: TunnelsOwner, context: TunnelsContext, log: Log) {
    this.owner = owner
    this.context = context
    this.log = log
    this.healthNews = new Allowance(context.clock, HEALTH_NEWS, HEALTH_NEWS_A_SECOND)
  }

  /** Also those that are being opened. */
  get size(): number {
    return this.all.size
  }

  /** Of the tunnel with this number. */
  nameOf(index: number): string | undefined {
    return this.all.get(index)?.name
  }

  /** Those that are open. */
  open(): Iterable<Tunnel> {
    return this.told.keys()
  }

  /** They go by the allowlists that are set now; visitors who are no longer allowed are disconnected. */
  judgeAgain(): void {
    for (const tunnel of this.all.values()) {
      const cut = tunnel.judgeAgain()
      if (cut === undefined) continue
      this.log.info('allowlist changed', { tunnel: tunnel.name, cut })
      this.addressesChanged(tunnel)
    }
  }

  /** Those that the owner has ended are over, and their connections are cut at both ends. */
  endKilled(): void {
    for (const tunnel of [...this.all.values()]) {
      if (tunnel.name !== '' && this.context.steering.isKilled(tunnel.name)) this.kill(tunnel)
    }
  }

  private kill(tunnel: Tunnel): void {
    const { code, message } = killed(tunnel.name)
    const cut = tunnel.cutAll(new PbtError(code, message))
    this.log.info('tunnel ended by the owner', { tunnel: tunnel.name, cut })
    this.closeTunnel(tunnel, code, message)
  }

  /** The session is over: so are they. `isComingBack`: after a restart of the server the client is expected back. */
  end({ code, reason }: Ending, isComingBack: boolean): void {
    for (const tunnel of this.all.values()) {
      if (!isComingBack) this.tellOffline(tunnel, code, reason)
      this.release(tunnel, isComingBack)
    }
    this.all.clear()
  }

  /** The client wants no more of this tunnel. */
  close(index: number): void {
    const tunnel = this.all.get(index)
    if (tunnel === undefined) return
    this.all.delete(index)
    this.tellOffline(tunnel, 'tunnel-closed', 'the client closed it')
    this.release(tunnel, false)
  }

  /** The client tells of a target. Throws PbtError `limit` when that is too often. */
  healthTold({ tunnel: index, state, sinceMs, message }: TargetHealth): void {
    if (!this.healthNews.spend(1)) throw new PbtError('limit', 'the health of targets is reported too often')
    const tunnel = this.all.get(index)
    if (tunnel === undefined || state === TargetHealth_State.UNSPECIFIED) return
    const { health: before } = tunnel
    const isAnswering = state === TargetHealth_State.ANSWERS
    const since = new Date(Date.now() - Math.min(Number(sinceMs), Date.now()))
    tunnel.health = { isAnswering, since, message: message.slice(0, MAX_HEALTH_CHARS) }
    if (before?.isAnswering === isAnswering || !this.told.has(tunnel)) return
    if (!isAnswering) this.context.news.targetRefuses(this.owner, tunnel.facts, tunnel.health.message)
    else if (before !== undefined) this.context.news.targetAnswers(this.owner, tunnel.facts)
  }

  /** The client asks for a tunnel, and is told that it has it, or why not. */
  ask(open: OpenTunnel): void {
    this.openTunnel(open).catch((error: unknown) => this.refuse(open, error))
  }

  private async openTunnel(open: OpenTunnel): Promise<void> {
    if (this.all.has(open.tunnel)) throw new PbtError('protocol', `tunnel ${open.tunnel} is open already`)
    if (this.all.size >= MAX_TUNNELS) throw new PbtError('limit', `a session has at most ${MAX_TUNNELS} tunnels`)
    const tunnel = new Tunnel(this, open, address => this.context.allowlists.of(address))
    this.all.set(open.tunnel, tunnel)
    let claimed: Claimed
    try {
      claimed = await this.claim(tunnel, open)
    } catch (error) {
      this.all.delete(open.tunnel)
      throw error
    }
    if (this.all.get(open.tunnel) !== tunnel) {
      this.release(tunnel, false) // closed, or the session over, while its addresses were written
      return
    }
    if (this.context.steering.isKilled(tunnel.name)) {
      this.kill(tunnel)
      return
    }
    tunnel.onlineAt = new Date()
    const { keyring, certificates } = this.context
    for (const address of claimed.addresses) if (lacksCertificate(address, keyring)) certificates?.wanted(address)
    const told = this.tell(tunnel, claimed.addresses)
    const waiting = told.waiting.map(({ url }) => url)
    this.context.news.tunnelOnline(this.owner, tunnel.facts, [...told.urls, ...waiting])
    this.log.info('tunnel online', { tunnel: tunnel.name, target: open.target, urls: told.urls, waiting })
  }

  private tell(tunnel: Tunnel, addresses: readonly Address[]): TunnelOpened {
    const { keyring, certificates, urlOf } = this.context
    const lacks = (address: Address) => lacksCertificate(address, keyring)
    const waiting = addresses.filter(lacks)
    const missing = certificates?.missing.bind(certificates) ?? withoutCertificate
    const value = create(TunnelOpenedSchema, {
      tunnel: tunnel.index,
      name: tunnel.name,
      urls: addresses.filter(address => !lacks(address)).map(urlOf),
      waiting: waiting.map(address => ({ url: urlOf(address), ...missing(address) })),
      visitors: visitorsOf(tunnel),
    })
    const before = this.told.get(tunnel)
    if (before !== undefined && equals(TunnelOpenedSchema, before, value)) return before
    this.told.set(tunnel, value)
    this.owner.mux.sendSessionFrame({ case: 'tunnelOpened', value })
    return value
  }

  private async claim(tunnel: Tunnel, open: OpenTunnel): Promise<Claimed> {
    const { kind } = tunnel
    if (kind === undefined) {
      throw new PbtError('unsupported', 'this server has no tunnels of this kind', { cure: 'upgrade pbt-server' })
    }
    const { domains, port, ownerAsked: isAskedByOwner } = open
    const wish = { name: open.name.slice(0, NAME_CHARS), domains, port, isAskedByOwner }
    const claimed = await this.context.addresses.claim(tunnel, kind === 'http' ? undefined : kind, wish)
    tunnel.name = claimed.name
    return claimed
  }

  private refuse(open: OpenTunnel, cause: unknown): void {
    const error =
      cause instanceof PbtError
        ? cause
        : new PbtError('internal', 'the server could not save the tunnel', {
            cause,
            cure: 'look at the log of pbt-server: its disk may be full',
          })
    this.log.warn('tunnel refused', { code: error.code, reason: error.message, cause: String(error.cause ?? '') })
    this.context.news.tunnelRefused(this.owner, wishOf(open), { code: error.code, reason: error.message })
    const value = create(TunnelRefusedSchema, {
      tunnel: open.tunnel,
      reason: reasonOf(error.code),
      message: error.message,
      cure: error.cure,
      mayPass: error.mayPass,
    })
    this.owner.mux.sendSessionFrame({ case: 'tunnelRefused', value })
  }

  /** Nothing when it was not online. */
  private tellOffline(tunnel: Tunnel, code: ErrorCode, reason: string): void {
    if (this.told.has(tunnel)) this.context.news.tunnelOffline(this.owner, tunnel.facts, { code, reason })
  }

  /** The tunnel is over: its addresses stay reserved, offline. */
  private release(tunnel: Tunnel, isComingBack: boolean): void {
    this.told.delete(tunnel)
    this.context.addresses
      .close(tunnel, tunnel.addresses, isComingBack)
      .catch((error: unknown) => this.log.error('could not save that a tunnel is offline', { error: String(error) }))
  }

  /** Tells the client, where it has changed, which of its addresses serve. */
  tellAgain(): void {
    for (const tunnel of this.told.keys()) this.addressesChanged(tunnel)
  }

  // For the tunnels.

  get label(): string {
    return this.owner.label
  }

  get machineId(): string {
    return this.owner.machineId
  }

  get clientId(): string {
    return this.owner.clientId
  }

  get generation(): bigint {
    return this.owner.generation
  }

  get mux(): Mux {
    return this.owner.mux
  }

  get isAttached(): boolean {
    return this.owner.isAttached
  }

  get isClosed(): boolean {
    return this.owner.isClosed
  }

  get isClientShort(): boolean {
    return this.owner.isClientShort
  }

  noteClientShort(): void {
    this.owner.noteClientShort()
  }

  isPaused(name: string): boolean {
    return this.context.steering.isPaused(name)
  }

  addressesChanged(tunnel: Tunnel): void {
    if (this.told.has(tunnel)) this.tell(tunnel, tunnel.addresses)
  }

  refusedVisitor(tunnel: Tunnel, peer: string, count: number): void {
    this.context.news.visitorRefused(tunnel.name, peer, 'not-allowed')
    // The 1st, 2nd, 4th, 8th and so on: a flood cannot fill the log.
    if ((count & (count - 1)) !== 0) return
    this.log.warn('visitor not allowed', { tunnel: tunnel.name, visitor: peer, refused: count })
  }

  /** Ends one tunnel and tells the client why. Nothing when it is over already. */
  closeTunnel(tunnel: Tunnel, code: ErrorCode, message: string): void {
    if (this.all.get(tunnel.index) !== tunnel) return
    this.all.delete(tunnel.index)
    this.tellOffline(tunnel, code, message)
    this.release(tunnel, false)
    const value = create(TunnelClosedSchema, { tunnel: tunnel.index, reason: reasonOf(code), message })
    this.owner.mux.sendSessionFrame({ case: 'tunnelClosed', value })
  }
}

function lacksCertificate(address: Address, keyring: Keyring): boolean {
  return !('number' in address) && !keyring.covers(hostOf(address), hostOf(address))
}

function visitorsOf({ allowlists }: Tunnel) {
  return {
    allowlists: allowlists.map(blocks => ({
      blocks: blocks.slice(0, TOLD_BLOCKS),
      more: Math.max(0, blocks.length - TOLD_BLOCKS),
    })),
  }
}
