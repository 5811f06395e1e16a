// A tunnel of a session: what visitors reach as long as the session lasts.
import { isDeepStrictEqual } from 'node:util'
import { type Channel, type ChannelHandler, type Mux, PbtError, type RequestHead } from '@pbt/proto'
import { type OpenTunnel, TunnelKind } from '@pbt/proto/tunnel/v1'
import { Allowlist } from '../access/allowlist.ts'
import type { Holder, TunnelOwner } from './book.ts'
import type { Hostname } from './names.ts'
import type { Protocol } from './ports.ts'

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
  /** Refused by the allowlist since the tunnel was opened. */
  refused = 0
  names: readonly Hostname[] = []
  port = 0
  name = ''
  private readonly session: TunnelSession
  /** What the client says. */
  private readonly wished: readonly string[]
  private allowed: readonly string[]
  private allowlist: Allowlist

  /**
   * `set`: the allowlist that the owner set on the server, if there is one. Throws PbtError `not-allowed` when an entry
   * of the allowlist cannot be read.
   */
  constructor(session: TunnelSession, open: OpenTunnel, set: (owner: TunnelOwner) => readonly string[] | undefined) {
    this.session = session
    this.index = open.tunnel
    this.kind = KINDS.get(open.kind)
    this.owner = { machineId: session.machineId, kind: this.kind ?? '', target: open.target.slice(0, 500) }
    this.description = `${session.label} (target ${open.target.slice(0, 100)})`
    this.idleTimeoutMs = Math.min(open.idleTimeoutMs, MAX_FLOW_IDLE_MS) || FLOW_IDLE_MS
    this.wished = open.allow
    this.allowed = set(this.owner) ?? open.allow
    this.allowlist = new Allowlist(this.allowed)
  }

  allows(address: string): boolean {
    if (this.allowlist.allows(address)) return true
    this.refused++
    this.session.refusedVisitor(this, address, this.refused)
    return false
  }

  /**
   * Changes the allowlist while the tunnel runs, to the one set on the server or back to the client's: whoever is no longer
   * allowed is cut at both ends before this returns. Tells how many were, undefined when the list is the same as before.
   * Throws PbtError `not-allowed`, and then nothing has changed.
   */
  setAllowed(set: readonly string[] | undefined): number | undefined {
    const entries = set ?? this.wished
    if (isDeepStrictEqual(entries, this.allowed)) return undefined
    const allowlist = new Allowlist(entries)
    this.allowed = entries
    this.allowlist = allowlist
    const error = new PbtError('not-allowed', 'the allowlist was changed')
    const isCut = (visitor: string) => !allowlist.allows(addressIn(visitor))
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

  lose(address: string): void {
    this.names = this.names.filter(name => name.host !== address)
    if (this.names.length === 0) this.session.lost(this, address)
  }
}

/** The address of `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
function addressIn(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
