// Keeps a session with the server alive for ever: dials, resumes, begins anew, and knows when to give up.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Clock, type ErrorCode, PROTOCOL_MAJOR, PROTOCOL_MINOR, type Timer } from '@pbt/proto'
import type { HelloSchema, Welcome } from '@pbt/proto/tunnel/v1'
import { EXIT, type ExitCode, exitCodeOf, Failure, failureOf, isWorthRetrying } from '../failure.ts'
import type { Line, LineEvents } from '../session/dial.ts'
import { GOODBYE_MS, Session, type SessionEvents, type TunnelPlan } from '../session/session.ts'
import { Backoff, MAX_DELAY_MS, MAX_RESUMABLE_DELAY_MS, STABLE_MS } from './backoff.ts'
import type { ClientEvent, OpenTunnelTraffic, Traffic } from './events.ts'
import { whenIdle } from './idle.ts'
import { Refusals } from './refusals.ts'

/** How long the link of a server that goes down is kept; it closes it itself when it has no more visitors. */
const DRAIN_MS = 3_605_000

/** How long what is under way may take to end when the user stops the process. */
export const STOP_MS = 10_000

/** A server that asks for more is not believed: its restart takes seconds. */
const MAX_RECONNECT_AFTER_MS = 60_000

/** Who this process is for the server; `proto/README.md` says what each is for. */
export interface Identity {
  readonly agent: string
  readonly machineId: string
  readonly clientId: string
  readonly generation: number
  readonly label: string
}

export interface AgentOptions {
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
  /** `HOST:PORT`, for people. */
  readonly server: string
  readonly identity: Identity
  readonly tunnels: readonly TunnelPlan[]
  /** Begins a line; calls its events later, never before it returns. */
  readonly dial: (hello: MessageInitShape<typeof HelloSchema>, events: LineEvents) => Line
  readonly onEvent: (event: ClientEvent) => void
  readonly onNewToken: (token: string) => void
}

/** `kept`: a session without a link, to be resumed. Timers belong to the state and end with it. */
type State =
  | { name: 'idle' }
  | { name: 'waiting'; kept: Session | undefined; timer: Timer }
  | { name: 'dialling'; kept: Session | undefined; line: Line }
  | { name: 'linked'; session: Session; line: Line; timer: Timer }
  | { name: 'stopping'; session: Session; line: Line; timer: Timer }
  | { name: 'leaving'; session: Session; line: Line; timer: Timer; exitCode: ExitCode }
  | { name: 'over' }

export class Agent {
  /** Settles, never with an error, when there is nothing left to keep alive. */
  readonly finished: Promise<ExitCode>

  private readonly options: AgentOptions
  private readonly backoff: Backoff
  private readonly plans: Map<number, TunnelPlan>
  /** Names that the server gave. */
  private readonly names = new Map<number, string>()
  private readonly refusals: Refusals
  /** Sessions that finish what is in flight while another has taken their place. */
  private readonly draining = new Map<Session, { line: Line; timer: Timer }>()
  private state: State = { name: 'idle' }
  private isOffline = false
  private hasConnected = false
  private endedBytesIn = 0
  private endedBytesOut = 0
  private resolve: (exitCode: ExitCode) => void = () => {}

  constructor(options: AgentOptions) {
    this.options = options
    this.backoff = new Backoff(options.random)
    this.refusals = new Refusals(options.clock, options.random, options.onEvent)
    this.plans = new Map(options.tunnels.map(plan => [plan.number, plan]))
    this.finished = new Promise(resolve => {
      this.resolve = resolve
    })
  }

  /** Dials for the first time. Once. */
  start(): void {
    this.backoff.next(MAX_DELAY_MS)
    this.dial(undefined)
  }

  /** Takes no new visitors, lets what is under way end, says goodbye and ends; `finished` settles within STOP_MS and GOODBYE_MS. */
  stop(): void {
    const { state } = this
    const leave = () => this.leave('stopped by its user', EXIT.stopped)
    if (state.name !== 'linked' || this.underWay === 0) {
      if (state.name !== 'stopping') leave()
      return
    }
    const { session, line } = state
    session.closeTunnels()
    this.options.onEvent({ event: 'stopping', open: this.underWay, limitMs: STOP_MS })
    const timer = whenIdle(this.options.clock, () => this.underWay === 0, STOP_MS, leave)
    this.enter({ name: 'stopping', session, line, timer })
  }

  get traffic(): Traffic {
    const session = this.session
    let [bytesIn, bytesOut, open] = [this.endedBytesIn, this.endedBytesOut, 0]
    for (const one of this.sessions()) {
      bytesIn += one.stats.bytesReceived
      bytesOut += one.stats.bytesSent
      open += one.stats.channels
    }
    return { bytesIn, bytesOut, open, roundTripMs: session?.stats.roundTripMs ?? 0 }
  }

  /** What is open now, by the number of the tunnel. */
  openByTunnel(): ReadonlyMap<number, OpenTunnelTraffic> {
    const all = new Map<number, OpenTunnelTraffic>()
    for (const session of this.sessions()) {
      for (const [number, { channels, bytesSent, bytesReceived }] of session.openByTunnel()) {
        const { open = 0, bytesIn = 0, bytesOut = 0 } = all.get(number) ?? {}
        all.set(number, { open: open + channels, bytesIn: bytesIn + bytesReceived, bytesOut: bytesOut + bytesSent })
      }
    }
    return all
  }

  /** What can end by itself: flows of datagrams never do. */
  private get underWay(): number {
    const flows = new Set(this.options.tunnels.filter(({ kind }) => kind === 'udp').map(({ number }) => number))
    let sum = 0
    for (const [number, { open }] of this.openByTunnel()) if (!flows.has(number)) sum += open
    return sum
  }

  private get session(): Session | undefined {
    const { state } = this
    return 'session' in state ? state.session : 'kept' in state ? state.kept : undefined
  }

  /** Those that are not over. */
  private sessions(): Session[] {
    const { session } = this
    const all = session === undefined ? [...this.draining.keys()] : [session, ...this.draining.keys()]
    return all.filter(({ isOver }) => !isOver)
  }

  private enter(next: State): void {
    if ('timer' in this.state) this.state.timer.clear()
    this.state = next
  }

  private dial(kept: Session | undefined): void {
    const { clock, dial, identity } = this.options
    let attached: Session | undefined
    const line = dial(
      {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        ...identity,
        generation: BigInt(identity.generation),
        resume: kept?.isOver === false ? kept.resume : undefined,
      },
      {
        onWelcome: (welcome, line) => {
          attached = this.attach(welcome, line, kept)
          if (attached === undefined) return
          // Success after the start: the first loss is tried at once. Later ones have to be stable before.
          if (!this.hasConnected) this.backoff.reset()
          this.hasConnected = true
          const timer = clock.after(STABLE_MS, () => this.backoff.reset())
          this.enter({ name: 'linked', session: attached, line, timer })
        },
        onBatch: batch => attached?.receive(batch),
        onOver: failure => this.lineOver(line, failure),
      },
    )
    this.enter({ name: 'dialling', kept, line })
  }

  /** The session that goes on over the line; undefined when the line is of no use. */
  private attach(welcome: Welcome, line: Line, kept: Session | undefined): Session | undefined {
    if (!welcome.resumed) {
      this.endSession(kept, 'link-lost', 'the server no longer has the session')
      const session = new Session(welcome, this.plans, this.options.clock, this.sessionEvents)
      session.begin(line)
      this.isOffline = false
      this.options.onEvent({ event: 'connected', server: this.options.server })
      return session
    }
    try {
      if (kept === undefined || kept.isOver) throw new Failure('protocol', 'the server resumed a session that is over')
      kept.goOn(line, welcome.received)
      this.isOffline = false
      this.options.onEvent({ event: 'resumed' })
      return kept
    } catch (error) {
      line.hangUp()
      this.endSession(kept, 'link-lost', 'the session could not be resumed')
      this.retry(failureOf(error), undefined)
      return undefined
    }
  }

  private lineOver(line: Line, failure: Failure): void {
    const { state } = this
    if ('line' in state && state.line === line) {
      if (state.name === 'leaving') this.finish(state.exitCode)
      else if (state.name === 'stopping') this.finish(EXIT.stopped)
      else if (!isWorthRetrying(failure.code)) this.fail(failure)
      else if (state.name === 'linked') this.suspend(state.session, failure)
      else this.retry(failure, state.kept)
      return
    }
    for (const [session, drain] of this.draining) if (drain.line === line) this.drained(session)
  }

  /** The link of the session is gone; it can be resumed. */
  private suspend(session: Session, failure: Failure): void {
    session.wait(() => {
      this.countEnded(session)
      this.offline(`${failure.message}; what was open is lost`)
    })
    this.retry(failure, session)
  }

  private retry(failure: Failure, kept: Session | undefined, minimumMs = 0): void {
    const resumable = kept?.isOver === false ? kept : undefined
    if (resumable === undefined && this.draining.size === 0) this.offline(failure.message)
    const retryInMs = Math.max(
      minimumMs,
      this.backoff.next(resumable === undefined ? MAX_DELAY_MS : MAX_RESUMABLE_DELAY_MS),
    )
    this.options.onEvent({ event: 'reconnecting', reason: failure.message, retryInMs })
    const timer = this.options.clock.after(retryInMs, () => this.dial(resumable))
    this.enter({ name: 'waiting', kept: resumable, timer })
  }

  private offline(reason: string): void {
    if (this.isOffline) return
    this.isOffline = true
    this.options.onEvent({ event: 'offline', reason })
  }

  private readonly sessionEvents: SessionEvents = {
    onOpened: (session, plan, opened) => {
      if (!this.isCurrent(session)) return
      this.refusals.forget(plan.number)
      this.names.set(plan.number, opened.name)
      const { number, kind, target } = plan
      const tunnel = opened.name
      if (opened.urls.length > 0 || opened.waiting.length === 0) {
        this.options.onEvent({ event: 'online', number, tunnel, kind, urls: opened.urls, target })
      }
      for (const { url, reason, cure } of opened.waiting) {
        this.options.onEvent({ event: 'waiting', number, tunnel, url, target, reason, cure })
      }
    },
    onRefused: (session, plan, end) => {
      if (!this.isCurrent(session)) return
      const { number, target } = plan
      const { code, message, cure } = new Failure(end.code, end.message, { cure: end.cure })
      const told: ClientEvent = { event: 'error', number, target, code, message, cure }
      if (end.mayPass || isWorthRetrying(code)) {
        // One who is away is back within the grace time, or has lost what it held.
        const maximumMs = end.mayPass ? MAX_RESUMABLE_DELAY_MS : MAX_DELAY_MS
        this.refusals.add(number, told, maximumMs, () => {
          if (!session.isOver && !this.draining.has(session)) session.ask(plan)
        })
        return
      }
      this.refusals.forget(number)
      this.plans.delete(number)
      this.options.onEvent(told)
      if (this.plans.size === 0) this.leave(message, exitCodeOf(end.code))
    },
    onClosed: (session, plan, end) => {
      if (!this.isCurrent(session)) return
      this.closed(plan, end.code, end.message)
      if (this.plans.size === 0) this.leave(end.message, EXIT.failed)
    },
    onNewToken: token => this.options.onNewToken(token),
    onGoAway: (session, { code, message, reconnect, reconnectAfterMs }) => {
      const { state } = this
      if (state.name !== 'linked' || state.session !== session) return
      const failure = new Failure(code, message || `the server ended the session (${code})`)
      if (reconnect) this.drain(session, state.line, failure, reconnectAfterMs)
      else if (code === 'killed' || code === 'replaced') {
        for (const plan of this.plans.values()) this.closed(plan, code, failure.message)
        this.finish(EXIT.failed)
      } else if (isWorthRetrying(code)) this.breakSession(failure)
      else this.fail(failure)
    },
    onSilent: session => {
      const { state } = this
      if (state.name === 'linked' && state.session === session) {
        state.line.hangUp()
        this.suspend(session, new Failure('silent', 'the server said nothing for 15 s'))
      } else this.drained(session)
    },
    onBroken: (session, error) => {
      this.countEnded(session)
      if (this.isCurrent(session)) this.breakSession(failureOf(error))
      else this.drained(session)
    },
  }

  /** Not one that only finishes what is in flight. */
  private isCurrent(session: Session): boolean {
    return this.state.name === 'linked' && this.state.session === session
  }

  /** The session cannot go on: begins a new one. */
  private breakSession(failure: Failure): void {
    if (this.state.name !== 'linked') return
    const { session, line } = this.state
    this.endSession(session, 'link-lost', failure.message)
    line.hangUp()
    this.retry(failure, undefined)
  }

  /**
   * The server goes down: a new session is sought elsewhere, and the old link serves until the server closes it. Nothing
   * in flight does not mean that nobody asks any more: visitors are on its connections still.
   */
  private drain(session: Session, line: Line, failure: Failure, reconnectAfterMs: number): void {
    const timer = this.options.clock.after(DRAIN_MS, () => this.drained(session))
    this.draining.set(session, { line, timer })
    this.retry(failure, undefined, Math.min(reconnectAfterMs, MAX_RECONNECT_AFTER_MS))
  }

  private drained(session: Session): void {
    const drain = this.draining.get(session)
    if (drain === undefined) return
    this.draining.delete(session)
    drain.timer.clear()
    this.endSession(session, 'link-lost', 'the server went down')
    drain.line.hangUp()
  }

  private closed(plan: TunnelPlan, code: ErrorCode, reason: string): void {
    this.plans.delete(plan.number)
    const tunnel = this.names.get(plan.number) ?? (plan.name || plan.target)
    this.options.onEvent({ event: 'closed', number: plan.number, tunnel, code, reason: reason || code })
  }

  private endSession(session: Session | undefined, code: ErrorCode, message: string): void {
    if (session === undefined || session.isOver) return
    session.end(code, message)
    this.countEnded(session)
  }

  private countEnded(session: Session): void {
    this.endedBytesIn += session.stats.bytesReceived
    this.endedBytesOut += session.stats.bytesSent
  }

  private fail(failure: Failure): void {
    const { code, message, cure } = failure
    this.options.onEvent({ event: 'error', code, message, cure })
    this.finish(exitCodeOf(code))
  }

  private leave(message: string, exitCode: ExitCode): void {
    const { state } = this
    if (state.name !== 'linked' && state.name !== 'stopping') {
      if (state.name !== 'leaving') this.finish(exitCode)
      return
    }
    const { session, line } = state
    session.sayGoodbye(message)
    const timer = this.options.clock.after(GOODBYE_MS, () => this.finish(exitCode))
    this.enter({ name: 'leaving', session, line, timer, exitCode })
  }

  private finish(exitCode: ExitCode): void {
    const { state, session } = this
    if (state.name === 'over') return
    this.enter({ name: 'over' })
    this.endSession(session, 'shutdown', 'pbt ends')
    if ('line' in state) state.line.hangUp()
    for (const session of [...this.draining.keys()]) this.drained(session)
    this.refusals.close()
    for (const { forwarder } of this.options.tunnels) forwarder.close()
    this.resolve(exitCode)
  }
}
