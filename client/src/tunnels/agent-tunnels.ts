// The tunnels of an agent over all its sessions: what the server says of them, and how their targets are.
import type { ErrorCode } from '@pbt/proto'
import { EXIT, type ExitCode, exitCodeOf } from '../failure.ts'
import type { Session, SessionEvents, TunnelPlan } from '../session/session.ts'
import type { AgentOptions } from './agent-options.ts'
import { Listeners } from './listeners.ts'
import { TargetHealths } from './target-health.ts'
import { TunnelSet } from './tunnel-set.ts'

/** What the agent knows of its sessions. */
export interface AgentSessions {
  /** The agent takes no more tunnels and no more news of targets. */
  readonly isEnding: () => boolean
  /** That of the link, or the one to be resumed. */
  readonly session: () => Session | undefined
  /** It has the link, and is not one that only finishes what is in flight. */
  readonly isCurrent: (session: Session) => boolean
  /** It can be asked for a tunnel. */
  readonly isAskable: (session: Session) => boolean
  /** The last tunnel is over, and nobody waits for more. */
  readonly onNone: (reason: string, exitCode: ExitCode) => void
}

/** Survives sessions. Owns what looks after targets, until `end`. */
export class AgentTunnels {
  /** What a session hears of tunnels. */
  readonly events: Pick<SessionEvents, 'onOpened' | 'onRefused' | 'onClosed' | 'onStart'>
  private readonly sessions: AgentSessions
  private readonly keepsEnded: boolean
  private readonly set: TunnelSet
  private readonly healths: TargetHealths
  private readonly listeners: Listeners

  constructor(options: AgentOptions, sessions: AgentSessions) {
    const { clock, keepsEnded = false } = options
    this.sessions = sessions
    this.keepsEnded = keepsEnded
    this.set = new TunnelSet({ ...options, keepsEnded })
    this.healths = new TargetHealths({
      clock,
      tell: (tunnel, health) => sessions.session()?.tellHealth(tunnel, health),
      onChange: (tunnel, message) => this.set.targetSeen(tunnel, message),
    })
    this.listeners = new Listeners({ ...options, onSeen: (number, message) => this.targetSeen(number, message) })
    this.events = this.sessionEvents()
  }

  /** The agent begins. Once. */
  start(): void {
    for (const plan of this.set.plans) this.listeners.watch(plan)
  }

  /** Asks a new session for all that are wanted. */
  askAll(session: Session): void {
    for (const plan of this.set.plans) this.ask(session, plan)
  }

  /** The plan's number must be new. `isAskedByOwner`: a person asks for it just now. */
  add(plan: TunnelPlan, isAskedByOwner: boolean): void {
    this.set.add(plan, isAskedByOwner)
    this.listeners.watch(plan)
  }

  /** It is not wanted any more; false when it was not. */
  remove(number: number): boolean {
    if (!this.set.remove(number)) return false
    this.healths.forget(number)
    this.listeners.forget(number)
    return true
  }

  /** The server has ended them all. */
  closeAll(code: ErrorCode, reason: string): void {
    for (const plan of [...this.set.plans]) this.set.closed(plan, code, reason)
  }

  /** A visitor's connection reached the target of this tunnel, or did not: `message` says why, '' when it did. */
  targetSeen(number: number, message: string): void {
    if (!this.sessions.isEnding()) this.healths.saw(number, message)
  }

  /** Somebody asks how targets are. */
  freshen(): void {
    this.listeners.freshen()
  }

  end(): void {
    this.healths.end()
    this.listeners.end()
    this.set.end()
  }

  private ask(session: Session, plan: TunnelPlan): void {
    session.ask(plan, this.set.isAskedByOwner(plan))
  }

  /** One who keeps ended tunnels waits for more. */
  private get isDone(): boolean {
    return this.set.isEmpty && !this.keepsEnded
  }

  private sessionEvents(): AgentTunnels['events'] {
    const { isCurrent, isAskable, onNone } = this.sessions
    return {
      onOpened: (session, plan, opened) => {
        if (!isCurrent(session)) return
        this.set.opened(plan, opened)
        this.healths.opened(plan.number)
      },
      onRefused: (session, plan, end) => {
        if (!isCurrent(session)) return
        this.set.refused(plan, end, () => {
          if (isAskable(session)) this.ask(session, plan)
        })
        if (this.isDone) onNone(end.message, exitCodeOf(end.code))
      },
      onClosed: (session, plan, end) => {
        if (!isCurrent(session)) return
        this.set.closed(plan, end.code, end.message)
        this.healths.forget(plan.number)
        if (this.isDone) onNone(end.message, end.code === 'killed' ? EXIT.killed : EXIT.failed)
      },
      onStart: (session, name) => {
        if (!isCurrent(session)) return
        const plan = this.set.restart(name)
        if (plan !== undefined) session.ask(plan, true)
      },
    }
  }
}
