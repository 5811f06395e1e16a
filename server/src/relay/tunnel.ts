// A tunnel of a session: what visitors reach as long as the session lasts.
import {
  type Channel,
  type ChannelHandler,
  type ErrorCode,
  MAX_CHANNELS,
  type Mux,
  PbtError,
  type RequestHead,
} from '@pbt/proto'
import { type OpenTunnel, TunnelKind } from '@pbt/proto/tunnel/v1'
import { Allowlist, EVERYBODY, type Judge } from '../access/allowlist.ts'
import { peerIn } from '../access/peer-address.ts'
import type { Address, Protocol } from './address.ts'
import type { Holder, Loss, TunnelClient } from './book.ts'
import type { TunnelFacts } from './news.ts'
import type { Affinity } from './registry.ts'

/** What a tunnel needs of its session. */
export interface TunnelSession {
  readonly label: string
  readonly machineId: string
  readonly clientId: string
  /** Higher for each process that this machine started later. */
  readonly generation: bigint
  readonly mux: Mux
  readonly isAttached: boolean
  readonly isClosed: boolean
  /** Its client recently had no room for a visitor. */
  readonly isClientShort: boolean
  noteClientShort(): void
  /** The owner has visitors of the tunnel of this name turned away. */
  isPaused(name: string): boolean
  /** A visitor was turned away by the allowlist, the `count`th of this tunnel. */
  refusedVisitor(tunnel: Tunnel, peer: string, count: number): void
  /** Ends the tunnel and tells the client why. */
  closeTunnel(tunnel: Tunnel, code: ErrorCode, message: string): void
  /** Tells the client what it has from now on, if it was told before. */
  addressesChanged(tunnel: Tunnel): void
}

/** What a client sees of its target. */
export interface TargetHealth {
  readonly isAnswering: boolean
  readonly since: Date
  /** Why not. */
  readonly message: string
}

/** What a flow may be silent for when the client does not say, and at most. */
const FLOW_IDLE_MS = 60_000
const MAX_FLOW_IDLE_MS = 24 * 3_600_000
/** The last of a session's channels: no address that has many may have them, so that it cannot shut out all others. */
export const RESERVED_CHANNELS = MAX_CHANNELS / 10
/**
 * How many times what came from a UDP source it is sent when the client does not say, until a handshake has shown that it gets
 * it: 30 is a download with an acknowledgement for every other packet, and twice that its start. The danger is what a forger
 * makes of it.
 */
const REPLY_FACTOR = 60

/** Kinds that this server has. */
const KINDS = new Map<number, 'http' | Protocol>([
  [TunnelKind.HTTP, 'http'],
  [TunnelKind.TCP, 'tcp'],
  [TunnelKind.UDP, 'udp'],
])

/** What a tunnel's kind is called; undefined: this server has none such. */
export function kindOf(kind: number): 'http' | Protocol | undefined {
  return KINDS.get(kind)
}

/** One tunnel of a connected client: its addresses, its allowlists, and the channels for its visitors. */
export class Tunnel implements Holder {
  readonly index: number
  readonly kind: 'http' | Protocol | undefined
  readonly affinity: Affinity
  readonly allow: readonly string[]
  readonly description: string
  readonly idleTimeoutMs: number
  readonly replyFactor: number | undefined
  /** Refused by the allowlist since the tunnel was opened. */
  refused = 0
  name = ''
  /** Since when visitors reach it. */
  onlineAt = new Date(0)
  /** What its client saw last of the target, undefined before it has said. */
  health: TargetHealth | undefined
  private readonly session: TunnelSession
  private readonly listOf: (key: string) => Judge | undefined
  /** What the client says. */
  private readonly wished: Judge
  /** Those it holds, by their keys. */
  private readonly held = new Map<string, Address>()
  /** Open connections were judged by these. */
  private judgedBy: readonly Judge[]

  /**
   * `listOf`: the allowlist that the owner set on the server for an address's key, if there is one. Throws PbtError `not-allowed`
   * when an entry of the client's allowlist cannot be read.
   */
  constructor(session: TunnelSession, open: OpenTunnel, listOf: (key: string) => Judge | undefined) {
    this.session = session
    this.listOf = listOf
    this.index = open.tunnel
    this.kind = kindOf(open.kind)
    this.affinity = { machineId: session.machineId, kind: this.kind ?? '', target: open.target.slice(0, 500) }
    this.description = `${session.label} (target ${open.target.slice(0, 100)})`
    this.idleTimeoutMs = Math.min(open.idleTimeoutMs, MAX_FLOW_IDLE_MS) || FLOW_IDLE_MS
    this.replyFactor = open.replyFactor === 0 ? undefined : (open.replyFactor ?? REPLY_FACTOR)
    this.allow = open.allow
    this.wished = open.allow.length === 0 ? EVERYBODY : new Allowlist(open.allow)
    this.judgedBy = this.judges()
  }

  /** Who may visit: every one of these lists has to let a visitor in. */
  get allowlists(): readonly (readonly string[])[] {
    return this.judges().flatMap(({ entries }) => (entries === undefined ? [] : [entries]))
  }

  /** For listeners. */
  get facts(): TunnelFacts {
    return { name: this.name, kind: this.kind ?? '', target: this.affinity.target }
  }

  get client(): TunnelClient {
    return { id: this.session.clientId, label: this.session.label }
  }

  get isPaused(): boolean {
    return this.session.isPaused(this.name)
  }

  get isAttached(): boolean {
    return this.session.isAttached
  }

  /** Those it holds. */
  get addresses(): Address[] {
    return [...this.held.values()]
  }

  allows(peer: string): boolean {
    if (this.judges().every(judge => judge.allows(peer))) return true
    this.refused++
    this.session.refusedVisitor(this, peer, this.refused)
    return false
  }

  /**
   * Goes by the allowlists that are set now, or back to the client's: visitors who are no longer allowed are cut at both ends before
   * this returns. Tells how many were, undefined when the lists are the same as before.
   */
  judgeAgain(): number | undefined {
    const judges = this.judges()
    const { judgedBy } = this
    if (judges.length === judgedBy.length && judges.every((judge, index) => judge === judgedBy[index])) return undefined
    this.judgedBy = judges
    const error = new PbtError('not-allowed', 'the allowlist was changed')
    const isCut = (visitor: string) => !judges.every(judge => judge.allows(peerIn(visitor)))
    const count = this.session.mux.channels.resetVisitors(this.index, isCut, error)
    this.refused += count
    return count
  }

  /** Cuts all connections, at both ends, and tells how many they were. */
  cutAll(error: PbtError): number {
    return this.session.mux.channels.resetVisitors(this.index, () => true, error)
  }

  get isNearlyFull(): boolean {
    return this.session.mux.channels.size >= MAX_CHANNELS - RESERVED_CHANNELS
  }

  get isShort(): boolean {
    return this.isNearlyFull || this.session.isClientShort
  }

  noteShort(): void {
    this.session.noteClientShort()
  }

  open(head: RequestHead, end: boolean, handler: ChannelHandler): Channel {
    head.tunnel = this.index
    return this.session.mux.open({ kind: 'http', head }, end, handler)
  }

  connect(kind: Protocol, visitor: string, local: string, handler: ChannelHandler): Channel {
    return this.session.mux.open({ kind, tunnel: this.index, visitor, local }, false, handler)
  }

  yieldsTo(other: Holder, isAskedByName: boolean): boolean {
    const { session } = this
    if (!(other instanceof Tunnel)) return session.isClosed
    // Two tunnels of one command would take it from each other for ever.
    if (other.session === session) return false
    if (session.isClosed) return true
    if (session.clientId === other.session.clientId) return true
    // Of two commands on one machine the newer one, so that an older one that comes back takes nothing from it.
    const isNewer = session.machineId === other.session.machineId && other.session.generation > session.generation
    return isNewer && (isAskedByName || !session.isAttached)
  }

  gain(address: Address): void {
    this.held.set(address.key, address)
    this.judgeAgain()
    this.session.addressesChanged(this)
  }

  lose(address: Address, loss: Loss): void {
    this.held.delete(address.key)
    if (this.held.size === 0) {
      this.end(loss)
      return
    }
    this.judgeAgain()
    this.session.addressesChanged(this)
  }

  rename(name: string): void {
    this.name = name
    this.session.addressesChanged(this)
  }

  end({ code, message }: Loss): void {
    this.session.closeTunnel(this, code, message)
  }

  /**
   * All of these have to let a visitor in, because a visitor of one address reaches what the others lead to: the lists of
   * all addresses that have one, or else the client's.
   */
  private judges(): readonly Judge[] {
    const set: Judge[] = []
    for (const key of this.held.keys()) {
      const judge = this.listOf(key)
      if (judge !== undefined) set.push(judge)
    }
    return set.length > 0 ? set : [this.wished]
  }
}
