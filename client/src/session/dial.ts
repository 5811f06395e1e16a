// One link: a call to the server over its own gRPC connection, from the dial to the welcome to its end.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  logVerbosity,
  Metadata,
  type StatusObject,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js'
import {
  type Clock,
  codeOf,
  decodeLinkFrames,
  encodeLinkFrame,
  HANDSHAKE_MS,
  KIB,
  type Link,
  linkOf,
  MAX_BATCH_BYTES,
  MIB,
  PbtError,
  PROTOCOL_MAJOR,
  type Timer,
} from '@pbt/proto'
import { HelloSchema, type Welcome } from '@pbt/proto/tunnel/v1'
import { formatProxy, type HttpProxy } from '../config/proxy.ts'
import { linkName, loopbackTargets, type ServerAddress } from '../config/server-address.ts'
import { Failure, failureOf } from '../failure.ts'
import { targetOf } from './address-list.ts'
import { Connections } from './connections.ts'
import { whyEnded, whyNotFound } from './ended.ts'
import { widenFrames } from './frame-size.ts'
import type { Lookup } from './lookup.ts'
import { throughProxy } from './through-proxy.ts'

/** Time for name, TCP and TLS: two lost SYNs, and still several tries within the grace time. */
export const CONNECT_MS = 6_000
/** A call that this end has ended is cut when the server has not ended it as well by then. */
const LINGER_MS = 1_000
/** HTTP/2 windows of the connection and its one stream; the multiplexer's credit is what really limits. */
const WINDOW_BYTES = 32 * MIB
/** One batch fits into one HTTP/2 frame. */
const FRAME_BYTES = 256 * KIB

/** The gRPC method, as the `:path` of the call. */
export const LINK_PATH = '/pbt.tunnel.v1.TunnelService/Link'

/** GRPC_TRACE would print the token, and only output writes to the terminal. */
setLogVerbosity(logVerbosity.NONE)

/** Which server to call, with which token, and what its certificate is checked against. */
export interface DialOptions {
  readonly server: ServerAddress
  readonly token: string
  /** PEM of the only authority trusted; undefined: the usual ones. */
  readonly ca: string | undefined
  /** The proxy on the way; undefined: none. */
  readonly proxy: HttpProxy | undefined
  /** One for all dials, so that it knows what served. */
  readonly lookup: Lookup
  readonly clock: Clock
}

/** Called synchronously; must not throw. */
export interface LineEvents {
  /** The server took the call. Batches follow. */
  onWelcome(welcome: Welcome, line: Line): void
  onBatch(batch: Buffer): void
  /** The line is over, or never came to be. Last call, at most once, and not after `hangUp`. */
  onOver(failure: Failure): void
}

/** The client's first message as a plain object; fields that are left out have their defaults. */
export type HelloInit = MessageInitShape<typeof HelloSchema>

/** A call to the server. */
export interface Line {
  /** For the multiplexer, from `onWelcome` on. */
  readonly link: Link
  /** What the server's clock said when it answered: HTTP's date (RFC 9110 section 5.6.7), if it did. From `onWelcome` on. */
  serverTime(): string | undefined
  /** Ends the call after what was written; no event follows. Again: nothing. */
  hangUp(): void
}

/** Dials the server and says hello. Each dial looks names up anew and has its own connection. */
export function dial(options: DialOptions, hello: HelloInit, events: LineEvents): Line {
  return new Call(options, encodeLinkFrame({ case: 'hello', value: create(HelloSchema, hello) }), events)
}

type Phase = 'connecting' | 'greeting' | 'open' | 'over'

class Call implements Line {
  private readonly options: DialOptions
  private readonly hello: Buffer
  private readonly events: LineEvents
  /** gRPC targets that are still to be tried. */
  private targets: string[] = []
  /** Those of the target under way. */
  private addresses: readonly string[] = []
  /** There is an address to connect to. */
  private isLookedUp = false
  private client: Client | undefined
  private connections = new Connections()
  private stream: ClientDuplexStream<Buffer, Buffer> | undefined
  private phase: Phase = 'connecting'
  /** grpc-js has told how the call ended. */
  private hasEnded = false
  private timer: Timer | undefined
  /** Of an address that refused the connection; the next one was tried. */
  private refusal: Failure | undefined
  private proxyFailure: Failure | undefined
  private date: string | undefined
  private stopWidening = () => {}

  constructor(options: DialOptions, hello: Buffer, events: LineEvents) {
    this.options = options
    this.hello = hello
    this.events = events
    this.timer = options.clock.after(CONNECT_MS, () => this.finish(this.notConnected()))
    this.targets = [...loopbackTargets(options.server)]
    this.isLookedUp = this.targets.length > 0
    if (this.isLookedUp) this.connect()
    else void this.lookUp()
  }

  /** Whom to connect to: the proxy, or the server. */
  private get place(): { readonly host: string; readonly port: number } {
    const { proxy, server } = this.options
    return proxy ?? { host: linkName(server), port: server.port }
  }

  private async lookUp(): Promise<void> {
    const { lookup, server, proxy } = this.options
    const { host, port } = this.place
    try {
      this.addresses = await lookup.addresses(host)
    } catch (error) {
      this.finish(whyNotFound(server, proxy, error))
      return
    }
    this.isLookedUp = true
    if (this.phase !== 'connecting') return
    this.targets = [targetOf(this.addresses, port)]
    this.connect()
  }

  get link(): Link {
    if (this.stream === undefined) throw new Error('a line has a link once it was dialled')
    return linkOf(this.stream)
  }

  serverTime(): string | undefined {
    return this.date
  }

  hangUp(): void {
    if (this.phase === 'over') return
    const was = this.phase
    this.phase = 'over'
    this.release(was)
  }

  private connect(): void {
    const { server, token } = this.options
    const target = this.targets.shift() ?? ''
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${token}`)
    this.stopWidening = widenFrames(LINK_PATH, `Bearer ${token}`, FRAME_BYTES, () => this.connected())
    this.connections = new Connections()
    const client = new Client(target, this.connections.with(this.credentials()), channelOptions(linkName(server)))
    const stream = client.makeBidiStreamRequest(LINK_PATH, asIs, asIs, metadata)
    this.client = client
    this.stream = stream
    stream.on('metadata', (fields: Metadata) => {
      this.date = fields.get('date')[0]?.toString()
    })
    stream.on('data', (batch: Buffer) => this.received(batch))
    // The status says how the call ended; `end` comes without it only when the connection was lost.
    stream.on('status', (ended: StatusObject) => this.ended(stream, ended))
    stream.on('error', () => {})
    stream.write(this.hello)
  }

  private credentials(): ChannelCredentials {
    const { server, proxy } = this.options
    const ca = this.options.ca === undefined ? null : Buffer.from(this.options.ca)
    if (proxy === undefined) return credentials.createSsl(ca)
    return throughProxy(ca, proxy, { host: linkName(server), port: server.port }, failure => {
      this.proxyFailure = failure
    })
  }

  /** The connection stands and the call is on it. */
  private connected(): void {
    if (this.phase !== 'connecting') return
    this.phase = 'greeting'
    this.timer?.clear()
    this.timer = this.options.clock.after(HANDSHAKE_MS, () => this.finish(this.tooLate('answer', HANDSHAKE_MS)))
  }

  private received(batch: Buffer): void {
    if (this.phase === 'open') this.events.onBatch(batch)
    else if (this.phase !== 'over') this.greeted(batch)
  }

  private greeted(batch: Buffer): void {
    try {
      const [frame] = decodeLinkFrames(batch)
      if (frame?.case === 'goAway') throw new PbtError(codeOf(frame.value.reason), frame.value.message)
      if (frame?.case !== 'welcome') throw new PbtError('protocol', 'the server answered hello without a welcome')
      const { major, agent } = frame.value
      if (major !== PROTOCOL_MAJOR) {
        const which = major < PROTOCOL_MAJOR ? 'pbt-server' : 'pbt'
        const text = `the server (${agent}) speaks protocol ${major}, this pbt speaks ${PROTOCOL_MAJOR}: upgrade ${which}`
        throw new PbtError('version', text)
      }
      this.phase = 'open'
      this.timer?.clear()
      if (this.addresses.length > 0) this.options.lookup.served(this.place.host, this.addresses)
      this.events.onWelcome(frame.value, this)
    } catch (error) {
      this.finish(failureOf(error))
    }
  }

  private ended(stream: ClientDuplexStream<Buffer, Buffer>, ended: StatusObject): void {
    if (stream !== this.stream || this.phase === 'over') return
    this.hasEnded = true
    const how = { status: status[ended.code], details: ended.details }
    const seen = whyEnded(this.options.server, this.phase !== 'open', how, this.options.proxy)
    const failure = this.phase === 'connecting' ? (this.proxyFailure ?? seen) : seen
    // Nobody listens there, or this machine has no IPv4: the other loopback address may be the one.
    if (/ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL/.test(ended.details) && this.targets.length > 0) {
      this.refusal = failure
      this.hasEnded = false
      this.stopWidening()
      this.connections.cut()
      this.client?.close()
      this.connect()
      // Without IPv6 here, `::1` says nothing of the server.
    } else this.finish(/EAFNOSUPPORT|EADDRNOTAVAIL/.test(ended.details) ? (this.refusal ?? failure) : failure)
  }

  private notConnected(): Failure {
    const { server, proxy } = this.options
    if (this.isLookedUp) return this.tooLate('connect', CONNECT_MS)
    const silence = new Error(`the name service did not answer for ${this.place.host} within ${CONNECT_MS / 1000} s`)
    return whyNotFound(server, proxy, silence)
  }

  private tooLate(what: 'connect' | 'answer', limitMs: number): Failure {
    const { server, proxy } = this.options
    const way = proxy === undefined ? '' : ` through the proxy ${formatProxy(proxy)}`
    const name = `${linkName(server)}:${server.port}${way}`
    return new Failure('unreachable', `${name} did not ${what} within ${limitMs / 1000} s`, {
      cure: 'check that pbt-server runs there and that nothing between filters the port',
    })
  }

  private finish(failure: Failure): void {
    if (this.phase === 'over') return
    const was = this.phase
    this.phase = 'over'
    this.release(was)
    this.events.onOver(failure)
  }

  private release(was: Phase): void {
    this.timer?.clear()
    this.stopWidening()
    const { client, stream, connections } = this
    if (client === undefined || stream === undefined) return
    connections.end()
    const cut = () => {
      stream.cancel()
      client.close()
      connections.cut()
    }
    // Only a server that has the call can end it as well.
    if (was === 'connecting' || this.hasEnded) {
      cut()
      return
    }
    const linger = this.options.clock.after(LINGER_MS, cut)
    stream.once('status', () => {
      linger.clear()
      client.close()
    })
    stream.end()
  }
}

function asIs(batch: Buffer): Buffer {
  return batch
}

function channelOptions(name: string): ChannelOptions {
  return {
    'grpc.ssl_target_name_override': name,
    'grpc.default_authority': name,
    'grpc-node.flow_control_window': WINDOW_BYTES,
    'grpc.max_send_message_length': MAX_BATCH_BYTES,
    'grpc.max_receive_message_length': MAX_BATCH_BYTES,
    // Each dial is a new connection with fresh addresses; trying again is the agent's.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    // Nothing is kept for a retry; else grpc-js calls a message taken while it still waits for the one before.
    'grpc.per_rpc_retry_buffer_size': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_channelz': 0,
    // through-proxy.ts does it, with TLS to the proxy and with reasons.
    'grpc.enable_http_proxy': 0,
  }
}
