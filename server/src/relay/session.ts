// One connected client: its multiplexer, its tunnels, and whether it has a link at the moment.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { create, equals } from '@bufbuild/protobuf'
import {
  Allowance,
  type Clock,
  type ErrorCode,
  GRACE_MS,
  type Link,
  MAX_TUNNELS,
  Mux,
  PbtError,
  reasonOf,
  type SessionFrame,
  type Timer,
} from '@pbt/proto'
import {
  type Hello,
  type OpenTunnel,
  TunnelClosedSchema,
  type TunnelOpened,
  TunnelOpenedSchema,
  TunnelRefusedSchema,
} from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import type { Address } from './address.ts'
import type { Addresses, Claimed } from './addresses.ts'
import type { Allowlists } from './allowlists.ts'
import type { Keyring } from './keyring.ts'
import { Tunnel, type TunnelSession } from './tunnel.ts'

/** The link of a session, as the service hands it over. */
export interface SessionLink extends Link {
  /** Drops the connection below: the peer is silent. */
  drop(): void
}

/** What sessions have in common. */
export interface SessionContext {
  readonly clock: Clock
  readonly log: Log
  readonly addresses: Addresses
  readonly allowlists: Allowlists
  readonly keyring: Keyring
  /** As visitors give it, for example `https://myapp.localhost:8443` or `tcp://localhost:20022`. */
  readonly urlOf: (address: Address) => string
  /** The session is over. */
  readonly ended: (session: Session) => void
}

type State =
  | { readonly kind: 'detached'; readonly timer: Timer }
  | { readonly kind: 'attached'; readonly link: SessionLink }
  | { readonly kind: 'closed' }

const NAME_CHARS = 100
/** Of an allowlist, which may have thousands of blocks, the client is told as many as a person reads. */
const TOLD_BLOCKS = 16
/** Tunnels opened and closed by one session at once, and a second in the long run: each may be written to the database. */
const TUNNEL_CHANGES = 2 * MAX_TUNNELS
const TUNNEL_CHANGES_A_SECOND = 2

export class Session implements TunnelSession {
  readonly id = randomBytes(16)
  readonly secret = randomBytes(32)
  readonly clientId: string
  readonly machineId: string
  readonly generation: bigint
  readonly label: string
  readonly tokenId: number
  readonly mux: Mux

  private readonly context: SessionContext
  private readonly log: Log
  private state: State
  private readonly tunnels = new Map<number, Tunnel>()
  /** What the client knows of each tunnel that is online, as it was sent. */
  private readonly told = new Map<Tunnel, TunnelOpened>()
  private readonly beganAt: number
  private readonly changes: Allowance

  constructor(context: SessionContext, hello: Hello, tokenId: number) {
    this.context = context
    this.beganAt = context.clock.now()
    this.changes = new Allowance(context.clock, TUNNEL_CHANGES, TUNNEL_CHANGES_A_SECOND)
    this.clientId = hello.clientId
    this.machineId = hello.machineId
    this.generation = hello.generation
    this.label = hello.label === '' ? 'a client without a name' : hello.label
    this.tokenId = tokenId
    this.log = context.log.child({ session: this.id.toString('hex').slice(0, 8), client: this.label })
    this.mux = new Mux({
      role: 'server',
      clock: context.clock,
      handler: {
        onSessionFrame: frame => this.frame(frame),
        onLinkSilent: () => this.silent(),
        onViolation: error => {
          this.log.warn('client broke the protocol', { code: error.code, reason: error.message })
          this.over(error.code, error.message)
        },
        onOwnerThrew: error =>
          this.log.error('a channel failed', { error: error instanceof Error ? error.stack : String(error) }),
      },
    })
    this.state = { kind: 'detached', timer: this.grace() }
  }

  get tunnelCount(): number {
    return this.tunnels.size
  }

  get isAttached(): boolean {
    return this.state.kind === 'attached'
  }

  get isClosed(): boolean {
    return this.state.kind === 'closed'
  }

  /** Whether this is the proof that the session was given; in constant time. */
  isProvenBy(secret: Uint8Array): boolean {
    return secret.length === this.secret.length && timingSafeEqual(secret, this.secret)
  }

  /** Goes on over this link. Throws PbtError `protocol` when the client claims what cannot be. */
  attach(link: SessionLink, peerReceived: number): void {
    const before = this.state
    if (before.kind === 'closed') throw new PbtError('link-lost', 'the session is over')
    this.mux.attach(link, peerReceived)
    if (before.kind === 'detached') before.timer.clear()
    else before.link.drop()
    this.state = { kind: 'attached', link }
  }

  /** The link is gone; nothing when the session has another one by now. */
  linkLost(link: SessionLink): void {
    if (this.state.kind !== 'attached' || this.state.link !== link) return
    this.state = { kind: 'detached', timer: this.grace() }
    this.mux.detach()
    this.log.info('link lost', { resumableMs: GRACE_MS })
  }

  /** Its tunnels go by the allowlists that are set now; whoever is no longer allowed is cut. */
  judgeAgain(): void {
    for (const tunnel of this.tunnels.values()) {
      const cut = tunnel.judgeAgain()
      if (cut === undefined) continue
      this.log.info('allowlist changed', { tunnel: tunnel.name, cut })
      this.addressesChanged(tunnel)
    }
  }

  /** Asks the client to leave this link; the session stays until it does or the grace time passes. */
  goAway(code: ErrorCode, message: string, reconnectAfterMs: number): void {
    this.mux.goAway(code, message, true, reconnectAfterMs)
  }

  /** Ends the session for good and tells the client why. */
  close(code: ErrorCode, message: string): void {
    if (this.state.kind === 'closed') return
    this.mux.goAway(code, message, false, 0)
    this.over(code, message)
  }

  private grace(): Timer {
    return this.context.clock.after(GRACE_MS, () => this.over('link-lost', 'the client did not come back in time'))
  }

  private silent(): void {
    if (this.state.kind !== 'attached') return
    const { link } = this.state
    this.log.warn('link is silent')
    this.linkLost(link)
    link.drop()
  }

  private over(code: ErrorCode, message: string): void {
    const before = this.state
    if (before.kind === 'closed') return
    this.state = { kind: 'closed' }
    if (before.kind === 'detached') before.timer.clear()
    this.mux.close(code, message)
    // After a restart of the server the client is expected back: its names stay marked as online.
    const isComingBack = code === 'shutdown'
    for (const tunnel of this.tunnels.values()) this.release(tunnel, isComingBack)
    this.tunnels.clear()
    const { bytesSent, bytesReceived } = this.mux.stats
    const seconds = Math.round((this.context.clock.now() - this.beganAt) / 1_000)
    this.log.info('session over', { code, reason: message, seconds, bytesSent, bytesReceived })
    this.context.ended(this)
  }

  private frame(frame: SessionFrame): void {
    if (!this.changes.spend(1)) throw new PbtError('limit', 'tunnels are opened and closed too often')
    switch (frame.case) {
      case 'openTunnel':
        this.openTunnel(frame.value).catch((error: unknown) => this.refuse(frame.value.tunnel, error))
        return
      case 'closeTunnel': {
        const tunnel = this.tunnels.get(frame.value.tunnel)
        this.tunnels.delete(frame.value.tunnel)
        if (tunnel !== undefined) this.release(tunnel, false)
        return
      }
      case 'goodbye':
        this.over('tunnel-closed', 'the client ended the session')
        return
      case 'newToken':
      case 'tunnelOpened':
      case 'tunnelRefused':
      case 'tunnelClosed':
        throw new PbtError('protocol', `frame "${frame.case}" does not come from a client`)
    }
  }

  private async openTunnel(open: OpenTunnel): Promise<void> {
    if (this.tunnels.has(open.tunnel)) throw new PbtError('protocol', `tunnel ${open.tunnel} is open already`)
    if (this.tunnels.size >= MAX_TUNNELS) throw new PbtError('limit', `a session has at most ${MAX_TUNNELS} tunnels`)
    const tunnel = new Tunnel(this, open, address => this.context.allowlists.of(address))
    this.tunnels.set(open.tunnel, tunnel)
    let claimed: Claimed
    try {
      claimed = await this.claim(tunnel, open)
    } catch (error) {
      this.tunnels.delete(open.tunnel)
      throw error
    }
    if (this.tunnels.get(open.tunnel) !== tunnel) {
      this.release(tunnel, false) // closed, or the session over, while its addresses were written
      return
    }
    const told = this.tell(tunnel, claimed.addresses)
    const waiting = told.waiting.map(({ url }) => url)
    this.log.info('tunnel online', { tunnel: tunnel.name, target: open.target, urls: told.urls, waiting })
  }

  private tell(tunnel: Tunnel, addresses: readonly Address[]): TunnelOpened {
    const { keyring, urlOf } = this.context
    const lacks = (address: Address) => !('number' in address) && !keyring.covers(address.key, address.key)
    const value = create(TunnelOpenedSchema, {
      tunnel: tunnel.index,
      name: tunnel.name,
      urls: addresses.filter(address => !lacks(address)).map(urlOf),
      waiting: addresses.filter(lacks).map(address => withoutCertificate(address, urlOf(address))),
      visitors: visitorsOf(tunnel),
    })
    const before = this.told.get(tunnel)
    if (before !== undefined && equals(TunnelOpenedSchema, before, value)) return before
    this.told.set(tunnel, value)
    this.mux.sendSessionFrame({ case: 'tunnelOpened', value })
    return value
  }

  private async claim(tunnel: Tunnel, open: OpenTunnel): Promise<Claimed> {
    const { kind } = tunnel
    if (kind === undefined) {
      throw new PbtError('unsupported', 'this server has no tunnels of this kind', { cure: 'upgrade pbt-server' })
    }
    const wish = { name: open.name.slice(0, NAME_CHARS), domains: open.domains, port: open.port }
    const claimed = await this.context.addresses.claim(tunnel, kind === 'http' ? undefined : kind, wish)
    tunnel.name = claimed.name
    return claimed
  }

  private refuse(tunnel: number, cause: unknown): void {
    const error =
      cause instanceof PbtError
        ? cause
        : new PbtError('internal', 'the server could not save the tunnel', {
            cause,
            cure: 'look at the log of pbt-server: its disk may be full',
          })
    this.log.warn('tunnel refused', { code: error.code, reason: error.message, cause: String(error.cause ?? '') })
    const value = create(TunnelRefusedSchema, {
      tunnel,
      reason: reasonOf(error.code),
      message: error.message,
      cure: error.cure,
      mayPass: error.mayPass,
    })
    this.mux.sendSessionFrame({ case: 'tunnelRefused', value })
  }

  /** The tunnel is over: its addresses stay reserved, offline. */
  private release(tunnel: Tunnel, isComingBack: boolean): void {
    this.told.delete(tunnel)
    this.context.addresses
      .close(tunnel, tunnel.addresses, isComingBack)
      .catch((error: unknown) => this.log.error('could not write that a tunnel is offline', { error: String(error) }))
  }

  /** Tells the client, where it has changed, which of its addresses serve. */
  tellAgain(): void {
    for (const tunnel of this.told.keys()) this.addressesChanged(tunnel)
  }

  // For the session's tunnels.

  addressesChanged(tunnel: Tunnel): void {
    if (this.told.has(tunnel)) this.tell(tunnel, tunnel.addresses)
  }

  refusedVisitor(tunnel: Tunnel, peer: string, count: number): void {
    // The 1st, 2nd, 4th, 8th and so on: a flood cannot fill the log.
    if ((count & (count - 1)) !== 0) return
    this.log.warn('visitor not allowed', { tunnel: tunnel.name, visitor: peer, refused: count })
  }

  /** Ends one tunnel and tells the client why. Nothing when it is over already. */
  closeTunnel(tunnel: Tunnel, code: ErrorCode, message: string): void {
    if (this.tunnels.get(tunnel.index) !== tunnel) return
    this.tunnels.delete(tunnel.index)
    this.release(tunnel, false)
    const value = create(TunnelClosedSchema, { tunnel: tunnel.index, reason: reasonOf(code), message })
    this.mux.sendSessionFrame({ case: 'tunnelClosed', value })
  }
}

function visitorsOf({ allowlists }: Tunnel) {
  return {
    allowlists: allowlists.map(blocks => ({
      blocks: blocks.slice(0, TOLD_BLOCKS),
      more: Math.max(0, blocks.length - TOLD_BLOCKS),
    })),
  }
}

function withoutCertificate({ text }: Address, url: string) {
  return {
    url,
    reason: 'no certificate covers it yet',
    cure: `add a certificate for ${text} to tls-cert and tls-key of pbt-server`,
  }
}
