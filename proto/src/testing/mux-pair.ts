// Two real muxes on a simulated line, and what the owners of their channels saw.
import { createHash, randomBytes } from 'node:crypto'
import type { Channel, ChannelHandler } from '../channel/channel.ts'
import type { ChannelOpen, ResponseHead } from '../codec/heads.ts'
import type { PbtError } from '../errors.ts'
import { KIB } from '../limits.ts'
import { Mux } from '../mux.ts'
import type { MuxHandler, SessionFrame } from '../mux-handler.ts'
import { FakeClock } from './fake-clock.ts'
import { type LineOptions, LinkPair } from './link-pair.ts'

export interface Accepted {
  channel: Channel
  open: ChannelOpen
  last: boolean
}

/** What a channel's owner saw. */
export class Record implements ChannelHandler {
  channel: Channel | undefined
  readonly heads: ResponseHead[] = []
  readonly hash = createHash('sha256')
  bytes = 0
  ends = 0
  drains = 0
  lastData = false
  readonly datagrams: Buffer[] = []
  error: PbtError | undefined
  trailers: string[] | undefined
  isReading: boolean

  constructor(isReading = true) {
    this.isReading = isReading
  }
  onHead(head: ResponseHead): void {
    this.heads.push(head)
  }
  onData(chunk: Buffer, last: boolean): void {
    this.bytes += chunk.length
    this.lastData = last
    this.hash.update(chunk)
    if (this.isReading) this.channel?.consumed(chunk.length)
  }
  onDatagram(datagram: Buffer): void {
    this.datagrams.push(datagram)
  }
  onTrailers(trailers: string[]): void {
    this.trailers = trailers
  }
  onEnd(): void {
    this.ends++
  }
  onReset(error: PbtError): void {
    this.error = error
  }
  onDrain(): void {
    this.drains++
  }
}

export function pairOfMuxes(options: Partial<LineOptions> = {}, accept: (accepted: Accepted) => void = () => {}) {
  const clock = new FakeClock()
  const violations: PbtError[] = []
  const silent: string[] = []
  const frames: SessionFrame[] = []
  const thrown: unknown[] = []
  const handler = (name: string): MuxHandler => ({
    onSessionFrame: frame => frames.push(frame),
    onViolation: error => violations.push(error),
    onLinkSilent: () => silent.push(name),
    onOwnerThrew: error => thrown.push(error),
  })
  const server = new Mux({ role: 'server', clock, handler: handler('server') })
  const client = new Mux({
    role: 'client',
    clock,
    handler: { ...handler('client'), onOpen: (channel, open, last) => accept({ channel, open, last }) },
  })
  const pair = new LinkPair(clock, server, client, options)
  return { clock, server, client, pair, violations, silent, frames, thrown }
}

export const REQUEST: ChannelOpen = {
  kind: 'http',
  head: {
    tunnel: 1,
    method: 'GET',
    target: '/',
    headers: ['host', 'a'],
    upgrade: '',
    visitor: '192.0.2.1:9',
    connection: '',
  },
}
export const TCP: ChannelOpen = { kind: 'tcp', tunnel: 1, visitor: '192.0.2.1:9', local: '192.0.2.2:20000' }
export const UDP: ChannelOpen = { kind: 'udp', tunnel: 1, visitor: '192.0.2.1:9', local: '192.0.2.2:20000' }
export const OK: ResponseHead = { status: 200, reason: 'OK', headers: ['content-type', 'text/plain'], upgrade: '' }

export function open(mux: Mux, what: ChannelOpen, end = false, isReading = true): Record {
  const record = new Record(isReading)
  record.channel = mux.open(what, end, record)
  return record
}

export function take(channel: Channel, isReading = true): Record {
  const record = new Record(isReading)
  record.channel = channel
  channel.handler = record
  return record
}

/** Writes `total` bytes as fast as the channel takes them, then ends; returns the hash of what was written. */
export function pump(clock: FakeClock, record: Record, total: number): () => string {
  const hash = createHash('sha256')
  const { channel } = record
  if (channel === undefined) throw new Error('no channel')
  const piece = randomBytes(64 * KIB)
  let left = total
  const go = () => {
    while (left > 0) {
      const chunk = piece.subarray(0, Math.min(left, piece.length))
      left -= chunk.length
      hash.update(chunk)
      if (!channel.write(chunk)) {
        record.onDrain = () => clock.after(0.01, go)
        return
      }
    }
    channel.end()
  }
  go()
  return () => hash.copy().digest('hex')
}
