// Forwards the connections of one TCP tunnel to its target.

import type { Socket } from 'node:net'
import { type Channel, type ChannelHandler, type PbtError, Pipe, systemClock, toKeep } from '@pbt/proto'
import type { Target } from '../config/target.ts'
import { type Dialer, dial } from './dial.ts'
import type { Forwarder } from './forwarder.ts'
import type { Places } from './places.ts'
import { type ProxyVersion, proxyHeader } from './proxy-protocol.ts'
import { type OnRequest, Recorder } from './record.ts'

/** The target of one tunnel, what it learns of visitors, and what to call about connections. */
export interface TcpForwarderOptions {
  readonly target: Target
  /** Tell the target the visitor's address in this form. */
  readonly proxyProtocol: ProxyVersion | undefined
  readonly places: Places
  /** Told of every connection at its end. Must not throw. */
  readonly onRequest: OnRequest
  /** Told whether the target is reached: why not, '' when it is. */
  readonly onTarget?: ((message: string) => void) | undefined
}

/** A forwarder that connects to the target, and to nothing else, whatever the server asks for. */
export function createTcpForwarder(options: TcpForwarderOptions): Forwarder {
  const { target, proxyProtocol, places, onRequest, onTarget } = options
  const dialer: Dialer = { target, alpn: '', places, clock: systemClock, onTarget }
  return {
    accept: (channel, open) => {
      if (open.kind !== 'tcp') return
      const preface = proxyProtocol === undefined ? undefined : proxyHeader(proxyProtocol, open.visitor, open.local)
      const record = new Recorder(onRequest, 'TCP', open.visitor, channel)
      channel.handler = new Connecting(channel, dialer, preface, record)
    },
    close: () => {},
  }
}

/** Until the target has answered: what the visitor sends meanwhile waits, at most the channel's credit. */
class Connecting implements ChannelHandler {
  private readonly channel: Channel
  private readonly preface: Uint8Array | undefined
  private readonly record: Recorder
  private readonly giveUp: () => void
  private waiting: Buffer[] = []
  private hasPeerEnded = false

  constructor(channel: Channel, dialer: Dialer, preface: Uint8Array | undefined, record: Recorder) {
    this.channel = channel
    this.preface = preface
    this.record = record
    this.giveUp = dial(dialer, {
      onConnected: socket => this.connected(socket),
      onFailed: error => {
        channel.reset(error.code, error.message)
        record.over(`${error.code}: ${error.message}`)
      },
    })
  }

  onData(chunk: Buffer): void {
    this.waiting.push(toKeep(chunk))
  }

  onEnd(): void {
    this.hasPeerEnded = true
  }

  onReset(error: PbtError): void {
    this.giveUp()
    this.waiting = []
    this.record.over(error.code)
  }

  private connected(socket: Socket): void {
    const pipe = new Pipe(socket, this.channel, code => this.record.over(code ?? ''))
    this.channel.handler = pipe
    if (this.preface !== undefined) socket.write(this.preface)
    for (const chunk of this.waiting) pipe.onData(chunk)
    if (this.hasPeerEnded) pipe.onEnd()
  }
}
