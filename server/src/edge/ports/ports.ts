// The public ports of TCP and UDP tunnels: bound while they are reserved, whether their client is there or not.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:net'
import type { Clock } from '@pbt/proto'
import type { VisitorLimits } from '../../access/visitor-limits.ts'
import type { AccessSink } from '../../observe/access-log.ts'
import type { Log } from '../../observe/log.ts'
import { type Protocol, portAddress } from '../../relay/address.ts'
import type { Listeners, PortRange } from '../../relay/port-choice.ts'
import { Connections } from '../connections.ts'
import { isMissingAddress } from '../edge.ts'
import { closeQuietly } from '../quiet-close.ts'
import type { Tunnels } from '../router.ts'
import { PortFlows } from './port-flows.ts'
import { ReplyBudget } from './reply-budget.ts'
import { createTcpListener } from './tcp.ts'
import { UdpListener } from './udp.ts'

/** Connections that wait for the process to take them. */
const BACKLOG = 4_096

/** What the ports of all tunnels have in common. */
export interface PortListenersOptions {
  /** To bind each port on. */
  readonly addresses: readonly string[]
  readonly tunnels: Tunnels
  readonly clock: Clock
  /** Another process of this user may listen on the same ports, as the next server does before this one stops. */
  readonly isShared: boolean
  /** Shared with the edge. */
  readonly limits: VisitorLimits
  readonly log: Log
  readonly access: AccessSink
}

type Listener = Server | UdpListener

/** Owns the sockets that listen on ports of TCP and UDP tunnels, and the connections that come by them. */
export class PortListeners implements Listeners {
  private readonly options: PortListenersOptions
  private readonly connections: Connections
  private readonly ports = new Map<string, Promise<Listener[]>>()
  private readonly replies: ReplyBudget

  constructor(options: PortListenersOptions) {
    this.options = options
    this.replies = new ReplyBudget(options.clock)
    this.connections = new Connections(options)
  }

  /** TCP connections of visitors at the moment. */
  get connectionCount(): number {
    return this.connections.size
  }

  /** Connections turned away since the start: there were too many. */
  get refusedCount(): number {
    return this.connections.refused
  }

  /** Whether it listens there, or is about to. */
  isListening(protocol: Protocol, number: number): boolean {
    return this.ports.has(portAddress(protocol, number).text)
  }

  async listen(protocol: Protocol, number: number): Promise<void> {
    const address = portAddress(protocol, number).text
    const known = this.ports.get(address)
    const listening = known ?? this.bind(protocol, number)
    if (known === undefined) {
      this.ports.set(address, listening)
      listening.catch(() => this.ports.delete(address))
    }
    await listening
  }

  unlisten(protocol: Protocol, number: number): void {
    const address = portAddress(protocol, number).text
    const listening = this.ports.get(address)
    this.ports.delete(address)
    listening?.then(closeAll, () => {})
  }

  /** Takes no more connections; those that are open go on. `hasSuccessor`: datagrams are another process's from now on. */
  async drain(hasSuccessor: boolean): Promise<void> {
    for (const listening of this.ports.values()) {
      for (const listener of await listening.catch(() => [])) {
        if (!(listener instanceof UdpListener)) closeQuietly(listener)
        else if (hasSuccessor) listener.close()
      }
    }
  }

  /** Cuts everything. */
  async close(): Promise<void> {
    const all = [...this.ports.values()]
    this.ports.clear()
    this.connections.reset()
    for (const listening of all) await listening.then(closeAll, () => {})
  }

  private async bind(protocol: Protocol, number: number): Promise<Listener[]> {
    const { addresses } = this.options
    const listeners: Listener[] = []
    const flows = new PortFlows(this.replies, this.options.clock)
    try {
      for (const host of addresses) {
        try {
          listeners.push(await this.open(protocol, number, host, flows))
        } catch (error) {
          // A machine without IPv6 can do without the second loopback address.
          if (!isMissingAddress(error) || host === addresses[0]) throw error
        }
      }
    } catch (error) {
      closeAll(listeners)
      throw error
    }
    return listeners
  }

  private async open(protocol: Protocol, port: number, host: string, flows: PortFlows): Promise<Listener> {
    const address = portAddress(protocol, port).text
    if (protocol === 'tcp') {
      const server = createTcpListener({ ...this.options, connections: this.connections }, address)
      server.listen({ port, host, backlog: BACKLOG, reusePort: this.options.isShared })
      await once(server, 'listening')
      return server
    }
    const listener = new UdpListener(this.options, address, host, flows)
    try {
      const listening = once(listener.socket, 'listening') // before: without a lookup it may come at once
      listener.socket.bind({ port, address: host, exclusive: true })
      await listening
    } catch (error) {
      listener.close()
      throw error
    }
    listener.socket.on('error', () => {}) // of single datagrams: nothing to do about them
    return listener
  }
}

function closeAll(listeners: readonly Listener[]): void {
  for (const listener of listeners) listener.close()
}

/** Whence Linux takes the ports of its own connections; undefined where that cannot be told. */
export function ephemeralRange(): PortRange | undefined {
  try {
    const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number)
    return first > 0 && last >= first ? { first, last } : undefined
  } catch {
    return undefined
  }
}
