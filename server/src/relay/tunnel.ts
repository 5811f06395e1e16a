// A tunnel of a session: what visitors reach as long as the session lasts.
import { type Channel, type ChannelHandler, type Mux, PbtError, type RequestHead } from '@pbt/proto'
import { type OpenTunnel, TunnelKind } from '@pbt/proto/tunnel/v1'
import { Allowlist } from '../access/allowlist.ts'
import type { Judge } from './allowlists.ts'
import type { Holder } from './book.ts'
import type { Hostname } from './names.ts'
import type { Protocol } from './ports.ts'
import type { TunnelOwner } from './registry.ts'

/** What a tunnel needs of its session. */
export interface TunnelSession {
  readonly label: string
  readonly machineId: string
  readonly clientId: string
  readonly mux: Mux
  readonly isAttached: boolean
  readonly isClosed: boolean
  /** A visitor was turned away by the allowlist, the `count`th of this tunnel. */
  refusedVisitor(tunnel: Tunnel, address: string, count: number): void
  /** Somebody else took the tunnel's last address. */
  lost(tunnel: Tunnel, address: string): void
}

/** What a flow may be silent for when the client does not say, and at most. */
const FLOW_IDLE_MS = 60_000
const MAX_FLOW_IDLE_MS = 24 * 3_600_000
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

export class Tunnel implements Holder {
  readonly index: number
  readonly kind: 'http' | Protocol | undefined
  readonly owner: TunnelOwner
  readonly description: string
  readonly idleTimeoutMs: number
  readonly replyFactor: number | undefined
  /** Refused by the allowlist since the tunnel was opened. */
  refused = 0
  names: readonly Hostname[] = []
  port = 0
  name = ''
  private readonly session: TunnelSession
  private readonly listOf: (address: string) => Judge | undefined
  /** What the client says. */
  private readonly wished: Judge
  /** Those it holds, as the registry has them. */
  private readonly addresses = new Set<string>()
  /** Whoever is here was judged by these. */
  private judgedBy: readonly Judge[]

  /**
   * `listOf`: the allowlist that the owner set on the server for an address, if there is one. Throws PbtError `not-allowed`
   * when an entry of the client's allowlist cannot be read.
   */
  constructor(session: TunnelSession, open: OpenTunnel, listOf: (address: string) => Judge | undefined) {
    this.session = session
    this.listOf = listOf
    this.index = open.tunnel
    this.kind = KINDS.get(open.kind)
    this.owner = { machineId: session.machineId, kind: this.kind ?? '', target: open.target.slice(0, 500) }
    this.description = `${session.label} (target ${open.target.slice(0, 100)})`
    this.idleTimeoutMs = Math.min(open.idleTimeoutMs, MAX_FLOW_IDLE_MS) || FLOW_IDLE_MS
    this.replyFactor = open.replyFactor === 0 ? undefined : (open.replyFactor ?? REPLY_FACTOR)
    this.wished = new Allowlist(open.allow)
    this.judgedBy = this.judges()
  }

  allows(address: string): boolean {
    if (this.judges().every(judge => judge.allows(address))) return true
    this.refused++
    this.session.refusedVisitor(this, address, this.refused)
    return false
  }

  /**
   * Goes by the allowlists that are set now, or back to the client's: whoever is no longer allowed is cut at both ends before
   * this returns. Tells how many were, undefined when the lists are the same as before.
   */
  judgeAgain(): number | undefined {
    const judges = this.judges()
    const { judgedBy } = this
    if (judges.length === judgedBy.length && judges.every((judge, index) => judge === judgedBy[index])) return undefined
    this.judgedBy = judges
    const error = new PbtError('not-allowed', 'the allowlist was changed')
    const isCut = (visitor: string) => !judges.every(judge => judge.allows(addressIn(visitor)))
    const count = this.session.mux.resetVisitors(this.index, isCut, error)
    this.refused += count
    return count
  }

  open(head: RequestHead, end: boolean, handler: ChannelHandler): Channel {
    head.tunnel = this.index
    return this.session.mux.open({ kind: 'http', head }, end, handler)
  }

  connect(kind: Protocol, visitor: string, local: string, handler: ChannelHandler): Channel {
    return this.session.mux.open({ kind, tunnel: this.index, visitor, local }, false, handler)
  }

  yieldsTo(other: Holder, clientId: string): boolean {
    const { session } = this
    // Two tunnels of one command would take it from each other for ever.
    if (other instanceof Tunnel && other.session === session) return false
    if (session.isClosed || session.clientId === clientId) return true
    return !session.isAttached && this.owner.machineId === other.owner.machineId
  }

  gain(address: string): void {
    this.addresses.add(address)
    this.judgeAgain()
  }

  lose(address: string): void {
    this.addresses.delete(address)
    this.names = this.names.filter(name => name.host !== address)
    if (this.names.length === 0) this.session.lost(this, address)
    else this.judgeAgain()
  }

  /**
   * All of these have to let a visitor in, because a visitor of one address reaches what the others lead to: the lists of
   * all addresses that have one, or else the client's.
   */
  private judges(): readonly Judge[] {
    const set: Judge[] = []
    for (const address of this.addresses) {
      const judge = this.listOf(address)
      if (judge !== undefined) set.push(judge)
    }
    return set.length > 0 ? set : [this.wished]
  }
}

/** The address of `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
function addressIn(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
