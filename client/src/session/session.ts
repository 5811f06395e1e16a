// One session with the server: its multiplexer, its proof for resuming, and its tunnels, over one link after another.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  Allowance,
  type Channel,
  type ChannelOpen,
  type Clock,
  codeOf,
  type ErrorCode,
  LINK_SILENCE_MS,
  Mux,
  type MuxStats,
  PbtError,
  type SessionFrame,
  type Timer,
  type TunnelTraffic,
} from '@pbt/proto'
import {
  CloseTunnelSchema,
  Feature,
  GoodbyeSchema,
  type LookOutside,
  OpenTunnelSchema,
  type PeerAllowed,
  Reason,
  type ResumeSchema,
  TargetHealth_State,
  TargetHealthSchema,
  TunnelKind,
  type TunnelOpened,
  type Welcome,
} from '@pbt/proto/tunnel/v1'
import type { Line } from './dial.ts'
import { LetIns, type LetInWish, tooOld } from './let-in.ts'
import type { Seen } from './look-outside.ts'
import { Looks } from './looks.ts'
import { type Measurement, Measuring } from './measure.ts'
import { NewTokens } from './new-tokens.ts'
import type { TunnelPlan } from './plan.ts'
import { SessionTunnels } from './session-tunnels.ts'
import type { TargetSeen, TunnelEnd } from './tunnel-news.ts'

/** The server answers an `open_tunnel` within this time: it has to look up and store a name. */
export const OPEN_MS = 10_000
/** No server keeps a session longer; beyond 2^31 a timer of Node would be over at once. */
const MAX_GRACE_MS = 600_000
/** Changes of tunnels that the server may tell at once, and a second in the long run: each is shown. */
const MAX_NEWS = 256
const NEWS_A_SECOND = 1
/** The server ends the line after a goodbye; it is not waited for longer. */
export const GOODBYE_MS = 1_000
/** A link that is probed answers within this, or within some of its round trips. */
export const PROBE_MS = 700
const PROBE_ROUND_TRIPS = 4

const KIND = { http: TunnelKind.HTTP, tcp: TunnelKind.TCP, udp: TunnelKind.UDP } as const

export type { Forwarder, TunnelPlan } from './plan.ts'

export type { TargetSeen, TunnelEnd } from './tunnel-news.ts'

/** What the agent hears of a session. Called synchronously from the multiplexer; must not throw. */
export interface SessionEvents {
  /** Also later, when the tunnel's addresses have changed: `opened` has all of them. */
  onOpened(session: Session, plan: TunnelPlan, opened: TunnelOpened): void
  onRefused(session: Session, plan: TunnelPlan, end: TunnelEnd): void
  onClosed(session: Session, plan: TunnelPlan, end: TunnelEnd): void
  /** Tells why the token will not be there after a restart, '' when it will. */
  onNewToken(token: string): string
  /** The server asks how a port of its own looks from here. Never rejects. */
  onLook(look: LookOutside): Promise<Seen>
  /** The owner starts a tunnel again that was ended. */
  onStart(session: Session, name: string): void
  onGoAway(
    session: Session,
    goAway: { code: ErrorCode; message: string; reconnect: boolean; reconnectAfterMs: number },
  ): void
  /** The link said nothing for too long; the session can be resumed. */
  onSilent(session: Session, forMs: number): void
  /** The session cannot go on, for a reason other than its link. */
  onBroken(session: Session, error: PbtError): void
}

/** Lives from the first welcome to its end; survives lost links that are resumed within `graceMs`. */
export class Session {
  /** How long a broken link may be resumed. */
  readonly graceMs: number
  private readonly mux: Mux
  private readonly welcome: Welcome
  private readonly clock: Clock
  private readonly events: SessionEvents
  private readonly tunnels: SessionTunnels
  /** Changes of tunnels that the server tells. */
  private readonly news: Allowance
  private readonly letIns = new LetIns(frame => this.mux.sendSessionFrame(frame))
  private readonly measuring: Measuring
  private timer: Timer | undefined
  private readonly newTokens: NewTokens
  private readonly looks: Looks

  constructor(welcome: Welcome, clock: Clock, events: SessionEvents) {
    this.welcome = welcome
    this.graceMs = Math.min(welcome.graceMs, MAX_GRACE_MS)
    this.clock = clock
    this.tunnels = new SessionTunnels(clock)
    this.measuring = new Measuring(clock, frame => this.mux.sendSessionFrame(frame))
    this.news = new Allowance(clock, MAX_NEWS, NEWS_A_SECOND)
    this.events = events
    this.mux = new Mux({
      role: 'client',
      clock,
      handler: {
        onOpen: (channel, open, last) => this.accept(channel, open, last),
        onSessionFrame: frame => this.framed(frame),
        onGoAway: goAway => this.events.onGoAway(this, goAway),
        onLinkSilent: forMs => this.events.onSilent(this, forMs),
        onViolation: error => this.events.onBroken(this, error),
      },
    })
    this.newTokens = new NewTokens(clock, this.mux, token => events.onNewToken(token))
    const answerLook = (frame: SessionFrame) => {
      if (!this.isOver) this.mux.sendSessionFrame(frame)
    }
    this.looks = new Looks(clock, look => events.onLook(look), answerLook)
  }

  get isOver(): boolean {
    return this.mux.isClosed
  }

  get stats(): MuxStats {
    return this.mux.stats
  }

  /** By the number of the tunnel, which has had a visitor; also once the session is over. */
  byTunnel(): ReadonlyMap<number, TunnelTraffic> {
    return this.mux.channels.byTunnel()
  }

  /** The channels of a tunnel that are open, the newest last. */
  openOf(tunnel: number): readonly Channel[] {
    return this.mux.channels.openOf(tunnel)
  }

  /** Requests and connections that are open; flows of datagrams, which never end by themselves, do not count. */
  get underWay(): number {
    return this.mux.channels.underWay
  }

  /** A newer token was taken a moment ago, and the server may not know it yet: it may end the session with the old one. */
  get hasNewToken(): boolean {
    return !this.newTokens.isKnown
  }

  /** What proves to the server that this is the same session. */
  get resume(): MessageInitShape<typeof ResumeSchema> {
    return { sessionId: this.welcome.sessionId, secret: this.welcome.secret, received: BigInt(this.mux.received) }
  }

  /** One batch of the line that the session is attached to. */
  receive(batch: Buffer): void {
    this.mux.receive(batch)
  }

  /** The first link. The tunnels are asked for next. */
  begin(line: Line): void {
    this.mux.attach(line.link, 0)
  }

  /**
   * Asks for a tunnel, also again after it was refused. Without a link the next one carries it. `ownerAsked`: a person wants it just now,
   * which lifts what the owner said before.
   */
  ask(plan: TunnelPlan, ownerAsked: boolean): void {
    this.tunnels.ask(plan)
    const { number: tunnel, name, domains, target, port, allow, idleTimeoutMs, replyFactor } = plan
    const wishes = { domains: [...domains], port, allow: [...allow], idleTimeoutMs, replyFactor }
    const value = create(OpenTunnelSchema, { tunnel, kind: KIND[plan.kind], name, target, ownerAsked, ...wishes })
    this.mux.sendSessionFrame({ case: 'openTunnel', value })
    if (this.mux.isAttached) this.expectAnswers()
  }

  /** A further link. Throws PbtError `protocol` when the server has lost what it said it had. */
  goOn(line: Line, received: bigint): void {
    this.mux.attach(line.link, Number(received))
    this.expectAnswers()
  }

  /** Lets somebody in for the owner. Rejects with Failure when the server does not do it, and never when the session ends before. */
  async letIn(wish: LetInWish): Promise<PeerAllowed> {
    if (!this.welcome.features.includes(Feature.ALLOW_PEER)) throw tooOld(this.welcome.agent)
    return await this.letIns.ask(wish)
  }

  /** Round trip and rates of the link; undefined where the server cannot. Never settles when the session ends before. */
  async measure(rateMs: number): Promise<Measurement | undefined> {
    return this.welcome.features.includes(Feature.MEASURE) ? await this.measuring.run(rateMs) : undefined
  }

  /** The link may be dead: without a sign of life it is silent at once. Nothing without a link. */
  probe(): void {
    const answersMs = PROBE_ROUND_TRIPS * this.mux.stats.roundTripMs
    this.mux.probe(Math.min(LINK_SILENCE_MS, Math.max(PROBE_MS, answersMs)))
  }

  /** The link is lost: channels wait, until `graceMs` have passed without a new one, then `expired`. */
  wait(expired: () => void): void {
    this.mux.detach()
    this.timer?.clear()
    this.timer = this.clock.after(this.graceMs, () => {
      this.end('link-lost', `no link for ${Math.round(this.graceMs / 1000)} s`)
      expired()
    })
  }

  /** Tells the server how a target is; nothing where that does not want to know, or the tunnel is not open. */
  tellHealth(tunnel: number, { isAnswering, sinceMs, message }: TargetSeen): void {
    if (!this.tunnels.isOpen(tunnel)) return
    if (!this.welcome.features.includes(Feature.TARGET_HEALTH)) return
    const state = isAnswering ? TargetHealth_State.ANSWERS : TargetHealth_State.REFUSES
    const value = create(TargetHealthSchema, { tunnel, state, sinceMs: BigInt(Math.round(sinceMs)), message })
    this.mux.sendSessionFrame({ case: 'targetHealth', value })
  }

  /** No more visitors for all tunnels: what is under way goes on. */
  closeTunnels(): void {
    for (const number of this.tunnels.numbers) this.closeTunnel(number)
  }

  /**
   * No more visitors for this tunnel: what is under way goes on. Without a link the next one carries it. Nothing when it is
   * not open.
   */
  closeTunnel(tunnel: number): void {
    const plan = this.tunnels.get(tunnel)
    if (plan === undefined) return
    this.tunnels.retire(plan)
    this.mux.sendSessionFrame({ case: 'closeTunnel', value: create(CloseTunnelSchema, { tunnel }) })
    this.answered(tunnel)
  }

  /** Cuts what is open of a tunnel, at both ends. */
  cut(tunnel: number, error: PbtError): void {
    this.mux.channels.resetVisitors(tunnel, () => true, error)
  }

  /** Tells the server that this is the end: it takes the tunnels offline at once and ends the line. */
  sayGoodbye(message: string): void {
    this.timer?.clear()
    const value = create(GoodbyeSchema, { reason: Reason.SHUTDOWN, message })
    this.mux.sendSessionFrame({ case: 'goodbye', value })
  }

  /** Ends it here: channels are reset with the code. Again: nothing. */
  end(code: ErrorCode, message: string): void {
    this.timer?.clear()
    this.tunnels.end()
    this.mux.close(code, message)
  }

  private expectAnswers(): void {
    this.timer?.clear()
    if (!this.tunnels.isWaiting) return
    this.timer = this.clock.after(OPEN_MS, () => {
      const error = new PbtError('silent', `the server did not answer for the tunnel within ${OPEN_MS / 1000} s`)
      this.end(error.code, error.message)
      this.events.onBroken(this, error)
    })
  }

  private accept(channel: Channel, open: ChannelOpen, last: boolean): void {
    const plan = this.tunnels.visited(open.kind === 'http' ? open.head.tunnel : open.tunnel)
    if (plan === undefined) channel.reset('tunnel-closed', 'the client does not have this tunnel')
    else if (open.kind !== plan.kind) channel.reset('unsupported', `the tunnel does not take ${open.kind} channels`)
    else plan.forwarder.accept(channel, open, last)
  }

  /** The answer for a tunnel has come, or is not waited for any more; false when it was not. */
  private answered(tunnel: number): boolean {
    if (!this.tunnels.answered(tunnel)) return false
    if (!this.tunnels.isWaiting && this.mux.isAttached) this.timer?.clear()
    return true
  }

  /** Whether the server may send it unasked: an answer that was not asked for would only fill the terminal. */
  private isExpectable(name: 'tunnelOpened' | 'tunnelRefused' | 'tunnelClosed'): boolean {
    return name === 'tunnelClosed' || (name === 'tunnelOpened' && this.news.spend(1))
  }

  private framed(frame: SessionFrame): void {
    switch (frame.case) {
      case 'tunnelOpened':
      case 'tunnelRefused':
      case 'tunnelClosed': {
        const plan = this.tunnels.get(frame.value.tunnel)
        if (plan === undefined) return
        if (!this.answered(plan.number) && !this.isExpectable(frame.case)) return
        if (frame.case === 'tunnelOpened') {
          this.events.onOpened(this, plan, frame.value)
          return
        }
        if (frame.case === 'tunnelRefused') {
          this.tunnels.drop(plan)
          this.events.onRefused(this, plan, endOf(frame.value))
          return
        }
        this.tunnels.retire(plan)
        this.events.onClosed(this, plan, endOf({ ...frame.value, cure: '', mayPass: false }))
        return
      }
      case 'newToken':
        this.newTokens.take(frame.value)
        return
      case 'startTunnel':
        if (this.news.spend(1)) this.events.onStart(this, frame.value.name)
        return
      case 'lookOutside':
        void this.looks.asked(frame.value)
        return
      case 'peerAllowed':
        this.letIns.answered(frame.value)
        return
      case 'measured':
        this.measuring.answered(frame.value)
        return
      case 'lookedOutside':
      case 'allowPeer':
      case 'measure':
      case 'openTunnel':
      case 'closeTunnel':
      case 'goodbye':
      case 'tokenTaken':
      case 'targetHealth':
        return // only a client sends these
    }
  }
}

function endOf({ reason, message, cure, mayPass }: Omit<TunnelEnd, 'code'> & { reason: Reason }): TunnelEnd {
  return { code: codeOf(reason), message, cure, mayPass }
}
