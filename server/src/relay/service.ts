// The link's gRPC service, and the only file that knows grpc-js: from a TLS socket to a session's link and back.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { create } from '@bufbuild/protobuf'
import {
  logVerbosity,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js'
import {
  bareAddress,
  type Clock,
  encodeLinkFrame,
  HANDSHAKE_MS,
  KIB,
  linkOf,
  MAX_BATCH_BYTES,
  MIB,
  PbtError,
  reasonOf,
  type Timer,
} from '@pbt/proto'
import { GoAwaySchema } from '@pbt/proto/tunnel/v1'
import { countedAs } from '../access/peer-address.ts'
import type { TokenCheck } from '../access/token-check.ts'
import type { Log } from '../observe/log.ts'
import { logRefused } from '../observe/refused-line.ts'
import { readHello } from './handshake.ts'
import type { RelayNews } from './news.ts'
import type { Session, SessionLink } from './session.ts'
import type { Joined } from './sessions.ts'

/** Windows of the connection and its stream; grpc-js has no option for them. Credit is what really limits. */
const WINDOW_BYTES = 32 * MIB
/** One batch fits into one HTTP/2 frame. */
const FRAME_BYTES = 256 * KIB
/** Connections that have not shown a token yet, in all and from one address. */
const MAX_UNPROVEN = 64
const MAX_UNPROVEN_PER_ADDRESS = 8
/** A connection has one call; a few more for a client that retries before the old one is gone. */
const MAX_STREAMS = 8
/** A peer that has been told that its call is over may end its side until then. */
const LINGER_MS = 1_000

/** GRPC_TRACE would write tokens to the log. */
setLogVerbosity(logVerbosity.NONE)

const ENCODING = 'grpc-encoding'
/** None that grpc-js knows: a message that is compressed gets the status UNIMPLEMENTED. */
const NO_ENCODING = 'not taken'

const passThrough = (message: Buffer): Buffer => message

const SERVICE = {
  Link: {
    path: '/pbt.tunnel.v1.TunnelService/Link',
    requestStream: true,
    responseStream: true,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  },
} satisfies ServiceDefinition

type Call = ServerDuplexStream<Buffer, Buffer>

/** How tokens are checked, and how a client gets its session. */
export interface LinkServiceOptions {
  readonly clock: Clock
  readonly log: Log
  readonly tokens: Pick<TokenCheck, 'check'>
  /** The session for a hello that was accepted. Throws PbtError. */
  readonly join: (hello: ReturnType<typeof readHello>, tokenId: number) => Joined
  readonly news: Pick<RelayNews, 'tokenRefused'>
}

interface Connection {
  readonly socket: Socket
  readonly address: string
  /** Runs until a hello was accepted. */
  deadline: Timer | undefined
}

/** The gRPC service that clients call. Limits connections that have not shown a valid token. */
export class LinkService {
  private readonly options: LinkServiceOptions
  private readonly server: Server
  private readonly injector: { injectConnection(socket: Socket): void }
  /** By the peer's address and port, as grpc-js tells it of a call. */
  private readonly connections = new Map<string, Connection>()
  private unproven = 0
  private isClosed = false

  constructor(options: LinkServiceOptions) {
    this.options = options
    this.server = new Server({
      'grpc.max_receive_message_length': MAX_BATCH_BYTES,
      'grpc.max_send_message_length': MAX_BATCH_BYTES,
      'grpc.max_concurrent_streams': MAX_STREAMS,
    })
    this.server.addService(SERVICE, { Link: (call: Call) => this.serve(call) })
    this.injector = this.server.createConnectionInjector(ServerCredentials.createInsecure())
    subscribe('http2.server.stream.created', this.widen)
  }

  /** Takes over a TLS connection that came for the link. */
  accept(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    if (this.isClosed) {
      socket.destroy()
      return
    }
    this.makeRoom(countedAs(address))
    const key = keyOf(socket)
    this.unproven++
    const deadline = this.options.clock.after(HANDSHAKE_MS, () => socket.destroy())
    const connection: Connection = { socket, address, deadline }
    this.connections.set(key, connection)
    socket.once('close', () => {
      this.proven(connection)
      if (this.connections.get(key) === connection) this.connections.delete(key)
    })
    this.injector.injectConnection(socket)
  }

  /** Connections at the moment, also those that have not shown a token. */
  get connectionCount(): number {
    return this.connections.size
  }

  /** Cuts every connection. Sessions have been closed before. */
  close(): void {
    this.isClosed = true
    unsubscribe('http2.server.stream.created', this.widen)
    this.server.forceShutdown()
    for (const { socket } of this.connections.values()) socket.destroy()
  }

  /** Of too many connections without a token the one that has taken longest goes: a client needs a moment, a flood must not keep it out. */
  private makeRoom(source: string): void {
    let same = 0
    let oldest: Connection | undefined
    let oldestOfSource: Connection | undefined
    for (const connection of this.connections.values()) {
      if (connection.deadline === undefined) continue
      oldest ??= connection
      if (countedAs(connection.address) !== source) continue
      oldestOfSource ??= connection
      same++
    }
    const leaving =
      same >= MAX_UNPROVEN_PER_ADDRESS ? oldestOfSource : this.unproven >= MAX_UNPROVEN ? oldest : undefined
    if (leaving === undefined) return
    this.proven(leaving)
    leaving.socket.destroy()
  }

  private proven(connection: Connection | undefined): void {
    if (connection?.deadline === undefined) return
    connection.deadline.clear()
    connection.deadline = undefined
    this.unproven--
  }

  private readonly widen = (message: unknown): void => {
    const session = http2SessionOf(message)
    const socket = session?.socket
    if (session === undefined || socket === undefined || !this.connections.has(keyOf(socket))) return
    if (session.localSettings.initialWindowSize === WINDOW_BYTES) return
    session.prependListener('stream', spoil)
    session.setLocalWindowSize(WINDOW_BYTES)
    session.settings({ initialWindowSize: WINDOW_BYTES, maxFrameSize: FRAME_BYTES })
  }

  private serve(call: Call): void {
    const peer = call.getPeer()
    const connection = this.connections.get(unbracketed(peer))
    const check = this.options.tokens.check(authorization(call.metadata), connection?.address ?? '')
    if (check.verdict !== 'accepted') {
      this.refuseToken(call, check.verdict)
      return
    }
    let session: Session | undefined
    let isRefused = false
    const link: SessionLink = {
      ...linkOf(call),
      address: bareAddress(connection?.address ?? ''),
      drop: () => connection?.socket.destroy(),
    }
    link.close = () => {
      call.end()
      this.options.clock.after(LINGER_MS, link.drop)
    }
    call.on('data', (batch: Buffer) => {
      if (session !== undefined) {
        session.mux.receive(batch)
        return
      }
      if (isRefused) return
      session = this.welcome(call, link, batch, check.tokenId)
      if (session === undefined) isRefused = true
      else this.proven(connection)
    })
    // Whichever comes first; grpc-js emits `end` also when the connection broke, so none of them means a clean end.
    const lost = () => session?.linkLost(link)
    for (const event of ['end', 'cancelled', 'close', 'error']) call.on(event, lost)
  }

  private welcome(call: Call, link: SessionLink, batch: Buffer, tokenId: number): Session | undefined {
    let joined: Joined | undefined
    try {
      joined = this.options.join(readHello(batch), tokenId)
      call.write(encodeLinkFrame(joined.welcome))
      joined.session.attach(link, joined.peerReceived)
      return joined.session
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      this.options.log.warn('link refused', { peer: call.getPeer(), code: error.code, reason: error.message })
      const value = create(GoAwaySchema, { reason: reasonOf(error.code), message: error.message })
      call.write(encodeLinkFrame({ case: 'goAway', value }))
      link.close()
      // Its own client claims what cannot be: the session cannot go on.
      joined?.session.close(error.code, error.message)
      return undefined
    }
  }

  private refuseToken(call: Call, verdict: 'refused' | 'limited'): void {
    const failure =
      verdict === 'refused'
        ? { code: status.UNAUTHENTICATED, details: 'the token is not valid here' }
        : { code: status.RESOURCE_EXHAUSTED, details: 'too many wrong tokens from this address, try again in a minute' }
    const { socket, address = '' } = this.connections.get(unbracketed(call.getPeer())) ?? {}
    if (verdict === 'refused') logRefused(this.options.log, 'token', bareAddress(address))
    this.options.news.tokenRefused(bareAddress(address))
    call.on('error', () => {})
    call.emit('error', failure)
    this.options.clock.after(LINGER_MS, () => socket?.destroy())
  }
}

/**
 * What grpc-js would take and the link does not. Of several authorization fields Node keeps the first and drops the
 * others; here that is none at all. Compressed messages: thousands of tiny ones in a read would each have a decompressor.
 */
function spoil(_stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]): void {
  let count = 0
  for (let index = 0; index < raw.length; index += 2) if (raw[index] === 'authorization') count++
  if (count > 1) headers.authorization = ''
  if (headers[ENCODING] !== undefined) headers[ENCODING] = NO_ENCODING
}

function authorization(metadata: Metadata): string[] {
  return metadata.get('authorization').map(value => value.toString())
}

function keyOf(socket: { remoteAddress?: string | undefined; remotePort?: number | undefined }): string {
  const { remoteAddress = '', remotePort = 0 } = socket
  return `${remoteAddress}:${remotePort}`
}

/** grpc-js has had IPv6 addresses with brackets in some versions and without in others. */
function unbracketed(peer: string): string {
  return peer.replace(/[[\]]/g, '')
}

/** The message of the diagnostics channel is untyped; its documentation promises `stream`. */
function http2SessionOf(message: unknown): ServerHttp2Session | undefined {
  const { session } = (message as { stream: ServerHttp2Stream }).stream
  return session as ServerHttp2Session | undefined
}
