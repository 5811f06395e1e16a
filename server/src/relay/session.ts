// One connected client: its multiplexer, its tunnels, and whether it has a link at the moment.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import {
  Allowance,
  type ErrorCode,
  GRACE_MS,
  type Link,
  MAX_TUNNELS,
  Mux,
  PbtError,
  type SessionFrame,
  type Timer,
} from '@pbt/proto'
import { type AllowPeer, Feature, type Hello, NewTokenSchema, Reason, StartTunnelSchema } from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { answerTo, type LetInVerb } from './letting-in.ts'
import { Looks } from './looks.ts'
import { Measures } from './measures.ts'
import { NO_NEWS } from './news.ts'
import { SessionNews } from './session-news.ts'
import { SessionToken } from './session-token.ts'
import { SessionTunnels, type TunnelsContext, type TunnelsOwner } from './session-tunnels.ts'

/** The link of a session, as the service hands it over. */
export interface SessionLink extends Link {
  /** Where it comes from, without the port. */
  readonly address: string
  /** Drops the connection below: the peer is silent. */
  drop(): void
}

/** What sessions have in common. */
export interface SessionContext extends TunnelsContext {
  readonly log: Log
  /** The owner's verb that lets somebody in. */
  readonly letIn: LetInVerb
  /** The session is over. */
  readonly ended: (session: Session) => void
}

type State =
  | { readonly kind: 'detached'; readonly timer: Timer }
  | { readonly kind: 'attached'; readonly link: SessionLink }
  | { readonly kind: 'closed' }

/** Tunnels opened and closed by one session at once, and a second in the long run: each may be written to the database. */
const TUNNEL_CHANGES = 2 * MAX_TUNNELS
const TUNNEL_CHANGES_A_SECOND = 2

/** Of what a client says for people. */
const MAX_REASON_CHARS = 300
/** How long a client counts as short of room (descriptors) after it had none: until those who waited longest have gone. */
const CLIENT_SHORT_MS = 10_000

/** Outlives its link: the client may resume it over another one within the grace time. */
export class Session implements TunnelsOwner {
  readonly id = randomBytes(16)
  readonly secret = randomBytes(32)
  readonly clientId: string
  readonly machineId: string
  readonly generation: bigint
  readonly label: string
  readonly token: SessionToken
  readonly agent: string
  readonly minor: number
  readonly mux: Mux

  private readonly context: SessionContext
  private readonly features: readonly Feature[]
  private readonly log: Log
  private state: State
  private readonly news: SessionNews
  readonly tunnels: SessionTunnels
  /** What its client sees of this server's ports. */
  readonly looks: Looks
  private readonly beganAt: number
  private readonly changes: Allowance
  private readonly measures: Measures
  private clientShortUntil = Number.NEGATIVE_INFINITY

  constructor(context: SessionContext, hello: Hello, tokenId: number) {
    this.context = context
    this.beganAt = context.clock.now()
    this.changes = new Allowance(context.clock, TUNNEL_CHANGES, TUNNEL_CHANGES_A_SECOND)
    this.measures = new Measures(context.clock)
    this.clientId = hello.clientId
    this.machineId = hello.machineId
    this.generation = hello.generation
    this.label = hello.label === '' ? 'a client without a name' : hello.label
    this.token = new SessionToken(tokenId)
    this.features = hello.features
    this.agent = hello.agent
    this.minor = hello.minor
    this.log = context.log.child({ session: this.id.toString('hex').slice(0, 8), client: this.label })
    this.mux = new Mux({
      role: 'server',
      clock: context.clock,
      handler: {
        onSessionFrame: frame => this.frame(frame),
        onLinkSilent: () => this.silent(),
        onViolation: error => {
          this.log.warn('protocol error of the client', { code: error.code, reason: error.message })
          this.over(error.code, error.message)
        },
        onOwnerThrew: error =>
          this.log.error('a channel failed', { error: error instanceof Error ? error.stack : String(error) }),
      },
    })
    this.news = new SessionNews(this, this.mux, this.isErrand ? { ...context, news: NO_NEWS } : context)
    this.tunnels = new SessionTunnels(this, context, this.log)
    this.looks = new Looks(frame => this.mux.sendSessionFrame(frame), context.clock)
    this.state = { kind: 'detached', timer: this.grace() }
  }

  /** Where it came from last. */
  get address(): string {
    return this.news.address
  }

  /** When it got its link, or lost it. */
  get since(): Date {
    return this.news.since
  }

  /** The token that it counts as of. */
  get tokenId(): number {
    return this.token.id
  }

  /** It came to do one thing, and has no tunnels. */
  get isErrand(): boolean {
    return this.has(Feature.ERRAND)
  }

  /** Its client has said so. */
  has(feature: Feature): boolean {
    return this.features.includes(feature)
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

  get isClientShort(): boolean {
    return this.context.clock.now() < this.clientShortUntil
  }

  noteClientShort(): void {
    this.clientShortUntil = this.context.clock.now() + CLIENT_SHORT_MS
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
    this.news.attached(link.address, before.kind === 'attached')
  }

  /** The names of its tunnels that are open. */
  get tunnelNames(): string[] {
    return [...this.tunnels.open()].map(({ name }) => name)
  }

  /** The link is gone; nothing when the session has another one by now. */
  linkLost(link: SessionLink, why = 'its connection broke'): void {
    if (this.state.kind !== 'attached' || this.state.link !== link) return
    this.state = { kind: 'detached', timer: this.grace() }
    this.news.lost(why)
    this.mux.detach()
    this.log.info('link lost', { resumableMs: GRACE_MS })
  }

  /** The client opens a tunnel again that it keeps though it was ended. */
  startTunnel(name: string): void {
    this.mux.sendSessionFrame({ case: 'startTunnel', value: create(StartTunnelSchema, { name }) })
  }

  /** The client is sent a newer token; false: it has it, or was sent it. */
  offerToken(id: number, token: string): boolean {
    if (this.isClosed || !this.token.offer(id)) return false
    this.mux.sendSessionFrame({ case: 'newToken', value: create(NewTokenSchema, { token, id: BigInt(id) }) })
    return true
  }

  /** Asks the client to leave this link; the session stays until it does or the grace time passes. */
  goAway(code: ErrorCode, message: string, reconnectAfterMs: number): void {
    this.mux.goAway(code, message, true, reconnectAfterMs)
  }

  /** Ends the session permanently and tells the client why. */
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
    this.linkLost(link, 'nothing came from it for 15 s')
    link.drop()
  }

  private over(code: ErrorCode, message: string): void {
    const before = this.state
    if (before.kind === 'closed') return
    this.state = { kind: 'closed' }
    if (before.kind === 'detached') before.timer.clear()
    const open = this.mux.channels.size
    this.mux.close(code, message)
    // After a restart of the server the client is expected back: its names stay marked as online.
    const isComingBack = code === 'shutdown'
    if (!isComingBack) this.news.gone({ code, reason: message }, open)
    this.tunnels.end({ code, reason: message }, isComingBack)
    const { bytesSent, bytesReceived } = this.mux.stats
    const seconds = Math.round((this.context.clock.now() - this.beganAt) / 1_000)
    this.log.info('session over', { code, reason: message, seconds, bytesSent, bytesReceived })
    this.looks.end()
    this.context.ended(this)
  }

  private async letIn(wish: AllowPeer): Promise<void> {
    const { addresses, letIn } = this.context
    const addressesOf = (text: string) => addresses.ofMachine(this.machineId, text)
    const value = await answerTo(wish, { label: this.label, address: this.address, addressesOf, letIn })
    const { tunnel } = wish
    if (value.reason === Reason.UNSPECIFIED)
      this.log.info('peers let in by the client', { tunnel, blocks: value.blocks })
    else this.log.warn('peers not let in', { tunnel, reason: value.message })
    this.mux.sendSessionFrame({ case: 'peerAllowed', value })
  }

  private frame(frame: SessionFrame): void {
    if (frame.case === 'targetHealth') {
      this.tunnels.healthTold(frame.value)
      return
    }
    if (frame.case === 'measure') {
      this.mux.sendSessionFrame({ case: 'measured', value: this.measures.answerTo(frame.value) })
      return
    }
    if (!this.changes.spend(1)) throw new PbtError('limit', 'tunnels are opened and closed too often')
    switch (frame.case) {
      case 'openTunnel':
        // What serves visitors is to be seen.
        if (this.isErrand) throw new PbtError('protocol', 'a client that came for an errand opens no tunnel')
        this.tunnels.ask(frame.value)
        return
      case 'closeTunnel':
        this.tunnels.close(frame.value.tunnel)
        return
      case 'allowPeer':
        void this.letIn(frame.value)
        return
      case 'lookedOutside':
        this.looks.answered(frame.value)
        return
      case 'goodbye':
        this.over('tunnel-closed', 'the client ended the session')
        return
      case 'tokenTaken': {
        const { id, notStored } = frame.value
        this.token.taken(Number(id))
        this.context.news.tokenTaken(this, notStored.slice(0, MAX_REASON_CHARS))
        this.log.info('client took the new token', { token: this.tokenId, notStored })
        return
      }
      case 'newToken':
      case 'startTunnel':
      case 'tunnelOpened':
      case 'tunnelRefused':
      case 'tunnelClosed':
      case 'peerAllowed':
      case 'lookOutside':
      case 'measured':
        throw new PbtError('protocol', `frame "${frame.case}" is not one of a client`)
    }
  }
}
