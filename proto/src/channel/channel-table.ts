// The channels of a session that are open: how many there may be, and what is asked of all of them together.

import type { ChannelKind } from '../codec/heads.ts'
import { PbtError } from '../errors.ts'
import { MAX_CHANNELS, MAX_DATAGRAM_CHANNELS } from '../limits.ts'
import type { Channel } from './channel.ts'
import type { MuxChannel } from './mux-channel.ts'

/** The channels of a tunnel that are open, and the payload of all that it had since the session began. */
export interface TunnelTraffic {
  readonly channels: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** What those outside the multiplexer may ask of channels. Some look at every one: to be asked now and then. */
export interface OpenChannels {
  readonly size: number
  /** Requests and connections; flows of datagrams, which never end by themselves, do not count. */
  readonly underWay: number
  /** The number of the one that was opened last. */
  readonly newest: number
  /** Whether a request or connection with at most this number is still open; flows of datagrams are not waited for. */
  isBusyUpTo(channel: number): boolean
  /** How many with at most this number are open. */
  countUpTo(channel: number): number
  /** By the number of the tunnel, which has had a channel. */
  byTunnel(): ReadonlyMap<number, TunnelTraffic>
  /** Those of a tunnel, the newest last. */
  openOf(tunnel: number): readonly Channel[]
  /** One after the other, also what comes and without what goes meanwhile; `tunnel`: its number. */
  all(): Iterable<Channel & { readonly tunnel: number }>
  /** Resets those of a tunnel whose visitor (address and port) is chosen, at both ends, and tells how many they were. */
  resetVisitors(tunnel: number, isChosen: (visitor: string) => boolean, error: PbtError): number
  /** Resets one at both ends; false: it is not open. */
  reset(id: number, error: PbtError): boolean
}

/** Channels by id; enforces the limits of channels and of datagram flows, and keeps totals of closed ones. */
export class ChannelTable implements OpenChannels {
  newest = 0
  private readonly byId = new Map<number, MuxChannel>()
  /** Those for datagrams. */
  private flows = 0
  /** Of the channels that are over. */
  private pastStalls = 0
  /** Their payload, by the number of the tunnel. */
  private readonly past = new Map<number, { bytesSent: number; bytesReceived: number }>()

  get size(): number {
    return this.byId.size
  }

  /** Those that can end by themselves. */
  get underWay(): number {
    return this.byId.size - this.flows
  }

  get(id: number): MuxChannel | undefined {
    return this.byId.get(id)
  }

  /** Throws PbtError `limit` when this end may not open another one of the kind. */
  checkRoom(kind: ChannelKind): void {
    if (this.byId.size >= MAX_CHANNELS) {
      throw new PbtError('limit', `the session has ${MAX_CHANNELS} open channels, the maximum`)
    }
    if (kind === 'udp' && this.flows >= MAX_DATAGRAM_CHANNELS) {
      throw new PbtError('limit', `the session has ${MAX_DATAGRAM_CHANNELS} open UDP flows, the maximum`)
    }
  }

  add(channel: MuxChannel): void {
    this.byId.set(channel.id, channel)
    this.newest = channel.id
    if (channel.kind === 'udp') this.flows++
  }

  /** It is over. Again: nothing. */
  delete(channel: MuxChannel): void {
    if (!this.byId.delete(channel.id)) return
    this.pastStalls += channel.queue.stalls
    this.addPast(channel)
    if (channel.kind === 'udp') this.flows--
  }

  /** One after the other; those that come meanwhile too, and those that go are left out. */
  all(): MapIterator<MuxChannel> {
    return this.byId.values()
  }

  /** Bytes that wait to be sent, and how often data of a channel waited for the peer since the session began. */
  get queued(): { bytes: number; stalls: number } {
    let [bytes, stalls] = [0, this.pastStalls]
    for (const { queue } of this.byId.values()) {
      bytes += queue.bytes
      stalls += queue.stalls
    }
    return { bytes, stalls }
  }

  /** Whether a request or connection with at most this number is still open; flows of datagrams are not waited for. */
  isBusyUpTo(channel: number): boolean {
    for (const { id, kind } of this.byId.values()) if (id <= channel && kind !== 'udp') return true
    return false
  }

  /** How many with at most this number are open. */
  countUpTo(channel: number): number {
    let count = 0
    for (const id of this.byId.keys()) if (id <= channel) count++
    return count
  }

  private addPast({ tunnel, bytesSent, bytesReceived }: MuxChannel): void {
    const past = this.past.get(tunnel)
    if (past === undefined) this.past.set(tunnel, { bytesSent, bytesReceived })
    else {
      past.bytesSent += bytesSent
      past.bytesReceived += bytesReceived
    }
  }

  /** By the number of the tunnel, which has had a channel. */
  byTunnel(): Map<number, TunnelTraffic> {
    const all = new Map<number, TunnelTraffic>()
    for (const [tunnel, past] of this.past) all.set(tunnel, { channels: 0, ...past })
    for (const { tunnel, bytesSent, bytesReceived } of this.byId.values()) {
      const before = all.get(tunnel) ?? { channels: 0, bytesSent: 0, bytesReceived: 0 }
      all.set(tunnel, {
        channels: before.channels + 1,
        bytesSent: before.bytesSent + bytesSent,
        bytesReceived: before.bytesReceived + bytesReceived,
      })
    }
    return all
  }

  /** Those of a tunnel that are open, the newest last. */
  openOf(tunnel: number): MuxChannel[] {
    return [...this.byId.values()].filter(channel => channel.tunnel === tunnel)
  }

  /** Resets those of a tunnel whose visitor (address and port) is chosen, at both ends, and tells how many they were. */
  resetVisitors(tunnel: number, isChosen: (visitor: string) => boolean, error: PbtError): number {
    let count = 0
    for (const channel of this.byId.values()) {
      if (channel.tunnel !== tunnel || !isChosen(channel.visitor)) continue
      channel.abort(error)
      count++
    }
    return count
  }

  /** Resets one at both ends; false: it is not open. */
  reset(id: number, error: PbtError): boolean {
    const channel = this.byId.get(id)
    channel?.abort(error)
    return channel !== undefined
  }

  /** All of them are over, for the owners here. */
  failAll(error: PbtError): void {
    for (const channel of [...this.byId.values()]) channel.fail(error)
  }
}
