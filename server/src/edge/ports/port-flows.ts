// The flows of one port, whichever of its sockets they came by: which gives way, how many each source may have, and what their
// visitors have shown.
import type { Clock } from '@pbt/proto'
import { type Affinity, isSameTarget, type LiveTunnel } from '../../relay/registry.ts'
import { AddressProof, Proofs } from './address-proof.ts'
import { type ReplyBudget, Source } from './reply-budget.ts'
import type { Flow } from './udp-flow.ts'

/** Flows of one port; then the one that was silent longest goes. Each costs up to a kilobyte here and a socket at the client. */
const MAX_FLOWS = 4_096
/** Flows of one address (IPv6: of one /64), so that no address can drive out the flows of all others. */
const MAX_FLOWS_PER_SOURCE = 256

/** All UDP flows of one port: bounded in number, in all and for each source address. */
export class PortFlows {
  private readonly budget: ReplyBudget
  private readonly clock: Clock
  /** What visitors have shown to the target that is served here; to another they show it anew. */
  private proofs: { readonly target: Affinity; readonly all: Proofs } | undefined
  /** Those that were silent longest first. */
  private readonly order = new Set<Flow>()
  private readonly sources = new Map<string, Source>()

  constructor(budget: ReplyBudget, clock: Clock) {
    this.budget = budget
    this.clock = clock
  }

  get size(): number {
    return this.order.size
  }

  /** One more needs another's place. */
  get isFull(): boolean {
    return this.order.size >= MAX_FLOWS
  }

  /** The flow that was silent longest, to PLACE_MS. */
  get oldest(): Flow | undefined {
    const [oldest] = this.order
    return oldest
  }

  /** For a flow that is about to be added; undefined when its source has as many as it may. */
  sourceOf(address: string): Source | undefined {
    const fresh = new Source(this.budget, address)
    const source = this.sources.get(fresh.counted) ?? fresh
    return source.flows < MAX_FLOWS_PER_SOURCE ? source : undefined
  }

  /** For a new flow of a tunnel that bounds what is sent. */
  proofOf(tunnel: LiveTunnel, address: string): AddressProof {
    const target = tunnel.affinity
    if (this.proofs === undefined || !isSameTarget(this.proofs.target, target)) {
      this.proofs = { target, all: new Proofs(this.clock) }
    }
    return new AddressProof(this.proofs.all, address)
  }

  add(flow: Flow): void {
    const { source } = flow
    source.flows++
    this.sources.set(source.counted, source)
    this.order.add(flow)
  }

  /** Again: nothing. */
  remove(flow: Flow): void {
    if (!this.order.delete(flow)) return
    const { source } = flow
    if (--source.flows > 0) return
    this.sources.delete(source.counted)
    source.end()
  }

  /** It is not silent. */
  moveBack(flow: Flow): void {
    if (this.order.delete(flow)) this.order.add(flow)
  }

  /** Forgets what need not be remembered of sources; called every second or so. */
  sweep(): void {
    this.budget.sweep()
  }
}
