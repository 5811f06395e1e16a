// What the owner may do with tunnels: look at them and at what is open in them, end and start them, and turn visitors away.
import { Failure } from '../failure.ts'
import type { TunnelTotals, TunnelTraffic } from '../observe/tunnel-figures.ts'
import type { LiveConnection, LiveTunnelView } from '../relay/live.ts'
import type { TargetHealth } from '../relay/tunnel.ts'
import type { KeptAddress } from './addresses.ts'
import type { Tell } from './event.ts'
import { connectionEnded, tunnelKilled, tunnelPaused, tunnelResumed, tunnelStarted } from './happenings.ts'

import type { KeptTunnel, TunnelRecords } from './tunnel-records.ts'
import { stateOf, type TunnelState } from './tunnel-state.ts'

export type { TunnelState } from './tunnel-state.ts'

/** Tunnels in a running server. */
export interface LiveTunnelsOf {
  tunnels(): ReadonlyMap<string, LiveTunnelView>
  endOf(tunnel: string): { readonly reason: string; readonly at: Date } | undefined
  isAwaited(address: string): boolean
  /** Whether a client has a link. */
  isConnected(clientId: string): boolean
  connections(tunnel?: string): LiveConnection[]
  end(id: string, message: string): LiveConnection | undefined
  start(clientId: string, tunnel: string): boolean
}

/** Figures of one tunnel by its name, in a running server. */
export interface TunnelFiguresOf {
  totalsOf(tunnel: string): TunnelTotals
  trafficOf(tunnel: string): TunnelTraffic
}

/** What is kept of tunnels, those that are online, and what has to be told of a change. */
export interface TunnelVerbsOptions {
  readonly records: TunnelRecords
  /** Every address that is kept. */
  readonly addresses: () => Promise<readonly KeptAddress[]>
  /** Undefined: no server runs here. */
  readonly live: LiveTunnelsOf | undefined
  readonly figures: TunnelFiguresOf | undefined
  /** Why visitors of an address do not get there yet, and what to do. */
  readonly waitingAt: (address: string) => { readonly reason: string; readonly cure: string } | undefined
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  readonly tell: Tell
}

/** An address, and what visitors still wait for there. */
export interface AddressOfTunnel extends KeptAddress {
  /** Why visitors do not get there yet, and what to do; '' when they do. */
  readonly waiting: string
  readonly cure: string
}

/** A tunnel and what is known of it. */
export interface TunnelView {
  readonly name: string
  readonly kind: string
  readonly state: TunnelState
  /** Why it is in this state, for people; '' when there is nothing to say. */
  readonly reason: string
  /** Since when it is in this state. */
  readonly since: Date
  readonly addresses: readonly AddressOfTunnel[]
  readonly target: string
  readonly health: TargetHealth | undefined
  readonly clientId: string
  readonly clientLabel: string
  readonly clientBlocks: readonly string[]
  /** Requests, connections and flows that are open. */
  readonly open: number
  readonly totals: TunnelTotals | undefined
  readonly traffic: TunnelTraffic | undefined
  readonly lastOnlineAt: Date
  readonly createdAt: Date
}

/** All reject with Failure. */
export class TunnelVerbs {
  private readonly options: TunnelVerbsOptions

  constructor(options: TunnelVerbsOptions) {
    this.options = options
  }

  /** Every tunnel there is or was, by its name. */
  async list(): Promise<TunnelView[]> {
    const kept = await this.options.records.list()
    const byTunnel = Map.groupBy(await this.options.addresses(), ({ tunnel }) => tunnel)
    const live = this.options.live?.tunnels()
    return kept.map(tunnel => this.view(tunnel, byTunnel.get(tunnel.name) ?? [], live?.get(tunnel.name)))
  }

  /** Of those whose client is there, or expected back: what changes all the time. Without I/O. */
  figures(): Pick<TunnelView, 'name' | 'open' | 'totals' | 'traffic'>[] {
    const { live, figures } = this.options
    return [...(live?.tunnels() ?? [])].map(([name, { open }]) => ({
      ...{ name, open, totals: figures?.totalsOf(name), traffic: figures?.trafficOf(name) },
    }))
  }

  /** One of them. */
  async get(name: string): Promise<TunnelView> {
    const found = await this.find(name)
    if (found === undefined) throw unknown(name)
    return found
  }

  /** One of them; undefined when there is no such tunnel. */
  async find(name: string): Promise<TunnelView | undefined> {
    const kept = await this.options.records.find(name)
    if (kept === undefined) return undefined
    const addresses = (await this.options.addresses()).filter(({ tunnel }) => tunnel === name)
    return this.view(kept, addresses, this.options.live?.tunnels().get(name))
  }

  /** Ends it now: what is open is cut, and it stays down until its command is run again or it is started. `isDry`: only tells what would be cut. */
  async kill(name: string, { isDry = false } = {}): Promise<{ tunnel: TunnelView; cut: readonly LiveConnection[] }> {
    const before = await this.get(name)
    const cut = this.options.live?.connections(name) ?? []
    if (isDry) return { tunnel: before, cut }
    if (before.state !== 'killed') {
      if (!(await this.options.records.kill(name))) throw unknown(name)
      // Told before its client and its visitors learn of it.
      this.options.tell(tunnelKilled(name, cut.length))
      await this.options.changed()
    }
    return { tunnel: await this.get(name), cut }
  }

  /** It may come back. `isOpening`: a client opens it now, or has it; else somebody has to run its command. */
  async start(name: string): Promise<{ tunnel: TunnelView; isOpening: boolean }> {
    const before = await this.get(name)
    if (before.state !== 'killed') return { tunnel: before, isOpening: this.isLive(name) }
    if (!(await this.options.records.start(name))) throw unknown(name)
    this.options.tell(tunnelStarted(name))
    await this.options.changed()
    const isOpening = this.options.live?.start(before.clientId, name) ?? false
    return { tunnel: await this.get(name), isOpening }
  }

  /** Visitors are turned away until it is resumed; those who are here go on. */
  async pause(name: string): Promise<TunnelView> {
    return await this.setPaused(name, true)
  }

  async resume(name: string): Promise<TunnelView> {
    return await this.setPaused(name, false)
  }

  /** What is open, of one tunnel or, for '', of all; the oldest first. */
  async connections(name = ''): Promise<readonly LiveConnection[]> {
    if (name !== '' && (await this.options.records.find(name)) === undefined) throw unknown(name)
    return this.options.live?.connections(name === '' ? undefined : name) ?? []
  }

  /** Cuts one of them at both ends. */
  end(id: string): void {
    const ended = this.options.live?.end(id, 'the owner ended this connection')
    if (ended === undefined) {
      throw new Failure('unknown-connection', `there is no open connection ${id.slice(0, 100)}`, {
        cure: 'it may have ended by itself; look at what is open now',
      })
    }
    this.options.tell(connectionEnded(ended))
  }

  private async setPaused(name: string, isPaused: boolean): Promise<TunnelView> {
    const before = await this.options.records.find(name)
    if (before === undefined) throw unknown(name)
    if (before.isPaused !== isPaused) {
      if (!(await this.options.records.setPaused(name, isPaused))) throw unknown(name)
      this.options.tell(isPaused ? tunnelPaused(name) : tunnelResumed(name))
      await this.options.changed()
    }
    return await this.get(name)
  }

  private isLive(name: string): boolean {
    return this.options.live?.tunnels().has(name) ?? false
  }

  private view(kept: KeptTunnel, addresses: readonly KeptAddress[], live: LiveTunnelView | undefined): TunnelView {
    const { live: server, waitingAt, figures } = this.options
    const { name, kind, createdAt } = kept
    const isAwaited = addresses.some(({ address }) => server?.isAwaited(address) === true)
    const about = {
      ...{ kept, live, isAwaited, end: server?.endOf(name), isServerRunning: server !== undefined },
      isClientThere: server?.isConnected(kept.clientId) ?? false,
    }
    return {
      ...{ name, kind, createdAt, ...stateOf(about) },
      addresses: addresses.map(address => {
        const { reason = '', cure = '' } = waitingAt(address.address) ?? {}
        return { ...address, waiting: reason, cure }
      }),
      target: live?.target ?? kept.target,
      health: live?.health,
      clientId: live?.clientId ?? kept.clientId,
      clientLabel: live?.clientLabel ?? kept.clientLabel,
      clientBlocks: live?.clientBlocks ?? kept.clientBlocks,
      open: live?.open ?? 0,
      totals: figures?.totalsOf(name),
      traffic: figures?.trafficOf(name),
      lastOnlineAt: live?.isConnected === true ? new Date() : kept.lastOnlineAt,
    }
  }
}

function unknown(name: string): Failure {
  return new Failure('unknown-tunnel', `there is no tunnel "${name.slice(0, 200)}"`, {
    cure: '"pbt-server tunnel list" shows them',
  })
}
