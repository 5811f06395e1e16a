// Keeps a session with the server alive for ever: dials, resumes, begins anew, and knows when to give up.
import { Allowance, type ErrorCode, PbtError, type Timer } from '@pbt/proto'
import type { Welcome } from '@pbt/proto/tunnel/v1'
import { EXIT, type ExitCode, exitCodeOf, Failure, failureOf, isWorthRetrying } from '../failure.ts'
import { AGENT } from '../process/version.ts'
import type { Line } from '../session/dial.ts'
import { NOT_LOOKED } from '../session/look-outside.ts'
import { GOODBYE_MS, Session, type SessionEvents, type TunnelPlan } from '../session/session.ts'
import type { AgentOptions } from './agent-options.ts'
import { AgentTunnels } from './agent-tunnels.ts'
import { Backoff, MAX_DELAY_MS, MAX_SOON_DELAY_MS, STABLE_MS } from './backoff.ts'
import { Carried } from './carried.ts'
import { Drains } from './drains.ts'
import { helloOf } from './identity.ts'
import { STOP_MS, whenIdle } from './idle.ts'
import { VersionNotices } from './versions.ts'

/** A server that asks for more is not believed: its restart takes seconds. */
const MAX_RECONNECT_AFTER_MS = 60_000
/** Changes of the network that are followed at once, and a second in the long run: each may cost a dial. */
const MAX_HURRIES = 10
const HURRIES_A_SECOND = 1 / 6

/** `kept`: a session without a link, to be resumed. Timers belong to the state and end with it. */
type State =
  | { name: 'idle' }
  | { name: 'waiting'; kept: Session | undefined; timer: Timer }
  | { name: 'dialling'; kept: Session | undefined; line: Line }
  | { name: 'linked'; session: Session; line: Line; timer: Timer }
  | { name: 'stopping'; session: Session; line: Line; timer: Timer }
  | { name: 'leaving'; session: Session; line: Line; timer: Timer; exitCode: ExitCode }
  | { name: 'over' }

/** Owns the session, its link and the timers between tries. */
export class Agent {
  /** Settles, never with an error, when there is nothing left to keep alive. */
  readonly finished: Promise<ExitCode>
  readonly carried: Carried

  private readonly options: AgentOptions
  private readonly backoff: Backoff
  private readonly tunnels: AgentTunnels
  private readonly drains: Drains
  private readonly hurries: Allowance
  private readonly versions: VersionNotices
  private state: State = { name: 'idle' }
  private isOffline = false
  private hasConnected = false
  private resolve: (exitCode: ExitCode) => void = () => {}

  constructor(options: AgentOptions) {
    this.options = options
    this.backoff = new Backoff(options.random)
    const { clock } = options
    this.carried = new Carried({ clock, session: () => this.session, sessions: () => this.sessions() })
    this.hurries = new Allowance(clock, MAX_HURRIES, HURRIES_A_SECOND)
    this.versions = new VersionNotices(AGENT, notice => options.onEvent({ event: 'outdated', ...notice }))
    this.tunnels = new AgentTunnels(options, {
      isEnding: () => this.isEnding,
      session: () => this.session,
      isCurrent: session => this.isCurrent(session),
      isAskable: session => !session.isOver && !this.drains.has(session),
      onNone: (reason, exitCode) => this.leave(reason, exitCode),
    })
    this.drains = new Drains(options.clock, session => this.endSession(session, 'link-lost', 'the server went down'))
    this.finished = new Promise(resolve => {
      this.resolve = resolve
    })
  }

  /** Dials for the first time. Once. */
  start(): void {
    this.tunnels.start()
    this.backoff.next(MAX_DELAY_MS)
    this.dial(undefined)
  }

  /**
   * Takes no new visitors, lets what is under way end, says goodbye and ends; `finished` settles within STOP_MS and GOODBYE_MS.
   * A second call does not wait for what is under way.
   */
  stop(): void {
    const { state } = this
    const leave = () => this.leave('stopped by its user', EXIT.stopped)
    if (state.name !== 'linked' || this.carried.underWay === 0) {
      leave()
      return
    }
    const { session, line } = state
    session.closeTunnels()
    this.options.onEvent({ event: 'stopping', open: this.carried.underWay, limitMs: STOP_MS })
    const timer = whenIdle(this.options.clock, () => this.carried.underWay === 0, STOP_MS, leave)
    this.enter({ name: 'stopping', session, line, timer })
  }

  /**
   * One more tunnel, while the others go on; without a link it comes with the next one. The plan's number must be new. Nothing
   * when the agent is ending. `isAskedByOwner`: a person asks for it just now.
   */
  open(plan: TunnelPlan, isAskedByOwner = true): void {
    if (this.isEnding) {
      plan.forwarder.close()
      return
    }
    this.tunnels.add(plan, isAskedByOwner)
    this.session?.ask(plan, isAskedByOwner)
  }

  /** The network may be another one, or the machine has slept: the link is probed, and one that is sought is dialled anew at once. */
  networkChanged(): void {
    const { state } = this
    if (state.name !== 'linked' && state.name !== 'waiting' && state.name !== 'dialling') return
    if (!this.hurries.spend(1)) return
    this.backoff.reset()
    if (state.name === 'linked') state.session.probe()
    else {
      if (state.name === 'dialling') state.line.hangUp()
      this.dial(state.kept)
    }
  }

  /** A visitor's connection reached the target of this tunnel, or did not: `message` says why, '' when it did. */
  targetSeen(number: number, message: string): void {
    this.tunnels.targetSeen(number, message)
  }

  /** Somebody asks how targets are: what has come meanwhile is told before this returns. */
  freshenTargets(): void {
    this.tunnels.freshen()
  }

  /**
   * Takes a tunnel away: no new visitors, what is under way goes on, and so do the other tunnels. Without a link the server
   * is told on the next one. Nothing when there is no such tunnel.
   */
  close(number: number): void {
    if (this.isEnding || !this.tunnels.remove(number)) return
    for (const session of this.sessions()) session.closeTunnel(number)
  }

  /** Cuts what is open of a tunnel, flows too, at both ends. */
  cut(number: number, message: string): void {
    for (const session of this.sessions()) session.cut(number, new PbtError('tunnel-closed', message))
  }

  private get isEnding(): boolean {
    const { name } = this.state
    return name === 'stopping' || name === 'leaving' || name === 'over'
  }

  /** That of the link, or the one to be resumed. */
  private get session(): Session | undefined {
    const { state } = this
    const session = 'session' in state ? state.session : 'kept' in state ? state.kept : undefined
    return session?.isOver === false ? session : undefined
  }

  /** Those that are not over. */
  private sessions(): Session[] {
    const { session } = this
    const draining = [...this.drains.sessions].filter(({ isOver }) => !isOver)
    return session === undefined ? draining : [session, ...draining]
  }

  private enter(next: State): void {
    if ('timer' in this.state) this.state.timer.clear()
    this.state = next
  }

  private dial(kept: Session | undefined): void {
    const { clock, dial, identity, keepsEnded = false } = this.options
    let attached: Session | undefined
    const line = dial(helloOf(identity, keepsEnded, kept?.isOver === false ? kept.resume : undefined), {
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
    })
    this.enter({ name: 'dialling', kept, line })
  }

  /** The session that goes on over the line; undefined when the line is of no use. */
  private attach(welcome: Welcome, line: Line, kept: Session | undefined): Session | undefined {
    if (!welcome.resumed) {
      this.endSession(kept, 'link-lost', 'the server no longer has the session')
      const session = new Session(welcome, this.options.clock, this.sessionEvents())
      session.begin(line)
      this.tunnels.askAll(session)
      this.isOffline = false
      this.options.onEvent({ event: 'connected', server: this.options.server })
      this.versions.met(welcome.agent)
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
    this.drains.lineOver(line)
  }

  /** The link of the session is gone; it can be resumed. */
  private suspend(session: Session, failure: Failure): void {
    session.wait(() => {
      this.carried.ended(session)
      this.offline(`${failure.message}; what was open is lost`)
    })
    this.retry(failure, session)
  }

  private retry(failure: Failure, kept: Session | undefined, minimumMs = 0): void {
    const resumable = kept?.isOver === false ? kept : undefined
    if (resumable === undefined && this.drains.isEmpty) this.offline(failure.message)
    const isSoon = resumable !== undefined || failure.isNear
    const retryInMs = Math.max(minimumMs, this.backoff.next(isSoon ? MAX_SOON_DELAY_MS : MAX_DELAY_MS))
    const { message: reason, cure } = failure
    this.options.onEvent({ event: 'reconnecting', reason, cure, retryInMs })
    const timer = this.options.clock.after(retryInMs, () => this.dial(resumable))
    this.enter({ name: 'waiting', kept: resumable, timer })
  }

  private offline(reason: string): void {
    if (this.isOffline) return
    this.isOffline = true
    this.options.onEvent({ event: 'offline', reason })
  }

  /** What a session tells. */
  private sessionEvents(): SessionEvents {
    return {
      ...this.tunnels.events,
      onNewToken: token => this.options.onNewToken(token),
      onLook: async look => (await this.options.onLook?.(look)) ?? NOT_LOOKED,
      onGoAway: (session, { code, message, reconnect, reconnectAfterMs }) => {
        const { state } = this
        if (state.name !== 'linked' || state.session !== session) return
        const failure = new Failure(code, message || `the server ended the session (${code})`)
        if (reconnect) this.drain(session, state.line, failure, reconnectAfterMs)
        else if (code === 'killed' || code === 'replaced') {
          this.tunnels.closeAll(code, failure.message)
          this.finish(code === 'killed' ? EXIT.killed : EXIT.failed)
        } else if (isWorthRetrying(code) || (code === 'token-revoked' && session.hasNewToken))
          this.breakSession(failure)
        else this.fail(failure)
      },
      onSilent: (session, forMs) => {
        const { state } = this
        if (state.name === 'linked' && state.session === session) {
          state.line.hangUp()
          this.suspend(session, new Failure('silent', `the server did not respond for ${forMs / 1_000} s`))
        } else this.drains.drained(session)
      },
      onBroken: (session, error) => {
        this.carried.ended(session)
        if (this.isCurrent(session)) this.breakSession(failureOf(error))
        else this.drains.drained(session)
      },
    }
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
   * in flight does not mean that no more requests come: visitors are on its connections still.
   */
  private drain(session: Session, line: Line, failure: Failure, reconnectAfterMs: number): void {
    this.drains.add(session, line)
    this.retry(failure, undefined, Math.min(reconnectAfterMs, MAX_RECONNECT_AFTER_MS))
  }

  private endSession(session: Session | undefined, code: ErrorCode, message: string): void {
    if (session === undefined || session.isOver) return
    session.end(code, message)
    this.carried.ended(session)
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
    this.drains.close()
    this.tunnels.end()
    this.resolve(exitCode)
  }
}
