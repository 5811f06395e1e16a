// One HTTP/2 connection to a target: how many streams it takes, whether anybody is still there, and how it ends.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  type ClientSessionRequestOptions,
  connect,
  constants,
  type Settings,
} from 'node:http2'
import type { Socket } from 'node:net'
import { type Clock, KIB, MIB, PbtError, type Timer } from '@pbt/proto'
import type { Target } from '../../config/target.ts'

/**
 * Bytes of an answer that come ahead of its reader, as many as wait in its channel. Node keeps them, for each visitor who
 * does not read.
 */
const WINDOW_BYTES = 256 * KIB
/** Of all answers of a connection on the way at once; what has come counts no more. */
const SESSION_WINDOW_BYTES = 8 * MIB
/** As for targets of HTTP/1: the fields of a head, or its bytes. */
const MAX_FIELDS = 200
const MAX_HEAD_BYTES = 64 * KIB
/** A request's head when nothing of it is compressed: the largest that comes over the link, and framing. */
const MAX_REQUEST_HEAD_BYTES = 128 * KIB
/** Streams of one connection, also when the target would take more: eight connections take all channels of a session. */
const MAX_STREAMS = 1_250
/** What speaks HTTP/2 says so at once (RFC 9113 section 3.4); nothing of a request goes out before. */
const SETTINGS_MS = 5_000
/** A target that was silent for so long is asked before it is given another request, as HTTP/1 connections are given up. */
const FRESH_MS = 2_500
/** One that has not answered by then gets no new requests; those it has may be held up in a debugger, and wait. */
const PROBE_MS = 2_000
/** Requests wait for their answers, and nothing comes: the target is asked whether it is there. */
const SILENCE_MS = 15_000
/** It has not answered that either: its requests have failed, a minute after it fell silent. Programs that go on rarely pause longer. */
const DEAD_MS = 45_000
/** gRPC ends connections on which it is asked more often while it says nothing (every five minutes at most). */
const PROBE_INTERVAL_MS = 330_000
/** Without a request for so long it is closed: the next one makes another. */
const IDLE_MS = 60_000
/** Time for the last frames to go out. */
const CLOSE_MS = 1_000

/** Who has a stream of a connection. */
export interface StreamOwner {
  /** Nothing of the stream was looked at, nor will be. Node sees to the stream. */
  onRefused(stream: ClientHttp2Stream): void
  /** Nothing more comes: a whole answer is read now, another one is cut. The stream is destroyed next. */
  onConnectionLost(stream: ClientHttp2Stream, reason: string): void
}

/** What the owner of a connection hears of it; `onGone` is the last. */
export interface ConnectionEvents {
  /** It may take requests, or may no longer: look again. */
  onChange(): void
  /** Once, at its end; with an error when it never took a request. */
  onGone(connection: Http2Connection, error: PbtError | undefined): void
}

interface Probe {
  readonly sentAt: number
  readonly timer: Timer
}

/** Owns its socket and the HTTP/2 session on it. */
export class Http2Connection {
  private readonly session: ClientHttp2Session
  readonly socket: Socket
  private readonly target: Target
  private readonly clock: Clock
  private readonly events: ConnectionEvents
  private readonly owners = new Map<ClientHttp2Stream, StreamOwner>()
  private readonly settingsTimer: Timer
  private most = 0
  private isReady = false
  /** Takes no new streams, and ends with the last one. */
  private isRetired = false
  private isOver = false
  private heardAt: number
  private heardBytes = 0
  private idleSince: number
  private probe: Probe | undefined
  /** A probe went unanswered. */
  private isDoubtful = false
  private probedAt = Number.NEGATIVE_INFINITY
  private hasAnswered = true
  /** Extended CONNECT is offered (RFC 8441 section 3). */
  takesWebSockets = false
  /** It has taken a request. */
  wasUsed = false

  /** A socket that has just been connected, and has not been read from. */
  constructor(socket: Socket, target: Target, clock: Clock, events: ConnectionEvents) {
    this.socket = socket
    this.target = target
    this.clock = clock
    this.events = events
    this.heardAt = clock.now()
    this.idleSince = this.heardAt
    // Before Node's own listeners: what is whole is read before Node throws it away. Node itself does not look at the
    // target's FIN when the socket may stay half open.
    socket.on('end', () => this.lost('it closed the connection'))
    socket.on('error', error => this.lost(error.message))
    socket.on('close', () => this.lost('the connection was lost'))
    this.session = openSession(socket, target)
    this.session.on('goaway', (code, last) => this.onGoaway(code, last))
    this.session.on('remoteSettings', settings => this.onSettings(settings))
    // Node closes the session then.
    this.session.on('frameError', () => this.retire())
    this.session.on('error', error => this.lost(error.message))
    this.session.on('close', () => this.lost('the connection was lost'))
    this.settingsTimer = clock.after(SETTINGS_MS, () => this.lost(`it sent nothing within ${SETTINGS_MS / 1000} s`))
  }

  /** It is not known yet whether it takes requests; it will be soon. */
  get isPromising(): boolean {
    return !this.isRetired && !this.isOver && (!this.isReady || (this.probe !== undefined && this.isUsable))
  }

  /** It counts as one of the target's connections. */
  get isUsable(): boolean {
    const { session } = this
    return !this.isRetired && !this.isOver && !this.isDoubtful && !session.closed && !session.destroyed
  }

  get isIdle(): boolean {
    return this.isReady && this.owners.size === 0 && !this.isOver
  }

  /** How many streams it takes at once. */
  get streams(): number {
    return this.most
  }

  /** Whether it takes a request now. One that has long been silent is asked first, and `onChange` follows. */
  isFree(now: number): boolean {
    if (!this.isReady || !this.isUsable || this.probe !== undefined || this.owners.size >= this.most) return false
    if (now - this.heardAt <= FRESH_MS) return true
    this.hear(now)
    if (now - this.heardAt <= FRESH_MS) return true
    if (this.mayProbe(now)) this.ask(now)
    // It cannot be asked without harm: in doubt another one.
    else this.retire()
    return false
  }

  /** A stream for a request. Throws what Node thinks of its fields. */
  open(fields: readonly string[], options: ClientSessionRequestOptions, owner: StreamOwner): ClientHttp2Stream {
    const stream = this.session.request(fields, options)
    this.wasUsed = true
    this.owners.set(stream, owner)
    stream.on('close', () => this.released(stream))
    return stream
  }

  /** Some of an answer has come: the target may be asked again. */
  answered(): void {
    this.hasAnswered = true
  }

  /** Gives it no new requests; it ends with the last one. */
  retire(): void {
    this.isRetired = true
    if (this.owners.size === 0) this.close()
  }

  /** Ends it at once; for one that is idle. */
  drop(): void {
    this.close()
    this.socket.destroy()
  }

  /** Called every second or so. */
  tick(now: number): void {
    this.hear(now)
    const { probe } = this
    if (this.isOver || !this.isReady) return
    if (this.session.destroyed) this.lost('the connection was lost')
    else if (this.owners.size === 0) {
      if (now - this.idleSince >= IDLE_MS) this.retire()
    } else if (probe !== undefined) {
      const since = Math.max(probe.sentAt, this.heardAt)
      if (now - since >= DEAD_MS) this.lost(`it has sent nothing for ${DEAD_MS / 1000} s, and did not answer a ping`)
    } else if (now - this.heardAt >= SILENCE_MS && this.mayProbe(now)) this.ask(now)
  }

  private hear(now: number): void {
    const { bytesRead } = this.socket
    if (bytesRead === this.heardBytes) return
    this.heardBytes = bytesRead
    this.heardAt = now
    if (this.isDoubtful) this.trusted()
  }

  private mayProbe(now: number): boolean {
    // Node asks nothing any more once the target has said that it will end.
    return !this.session.closed && (this.hasAnswered || now - this.probedAt >= PROBE_INTERVAL_MS)
  }

  private ask(now: number): void {
    const timer = this.clock.after(PROBE_MS, () => this.unanswered(probe))
    const probe: Probe = { sentAt: now, timer }
    this.probe = probe
    this.probedAt = now
    this.hasAnswered = false
    this.session.ping(error => {
      if (error !== null || this.probe !== probe || this.isOver) return
      this.heardAt = this.clock.now()
      this.trusted()
    })
  }

  private unanswered(probe: Probe): void {
    if (this.probe !== probe || this.isOver) return
    this.hear(this.clock.now())
    if (this.heardAt > probe.sentAt) this.trusted()
    else if (this.owners.size === 0) this.lost('it does not answer')
    else {
      this.isDoubtful = true
      this.events.onChange()
    }
  }

  private trusted(): void {
    this.probe?.timer.clear()
    this.probe = undefined
    this.isDoubtful = false
    this.events.onChange()
  }

  private onSettings({ maxConcurrentStreams, enableConnectProtocol }: Settings): void {
    if (this.isOver) return
    this.most = Math.min(maxConcurrentStreams ?? MAX_STREAMS, MAX_STREAMS)
    this.takesWebSockets = enableConnectProtocol === true
    this.isReady = true
    this.settingsTimer.clear()
    this.events.onChange()
  }

  /** Streams above the last one were not looked at (RFC 9113 section 6.8). */
  private onGoaway(code: number, last: number): void {
    this.isRetired = true
    for (const [stream, owner] of this.owners) if ((stream.id ?? 0) > last) owner.onRefused(stream)
    // Node ends the session with its streams then, otherwise it lets them end.
    if (code !== constants.NGHTTP2_NO_ERROR) this.lost(`it ended the connection (HTTP/2 code ${code})`)
    else if (this.owners.size === 0) this.close()
    else this.events.onChange()
  }

  private released(stream: ClientHttp2Stream): void {
    this.owners.delete(stream)
    if (this.isOver) return
    this.idleSince = this.clock.now()
    if (this.isRetired && this.owners.size === 0) this.close()
    else this.events.onChange()
  }

  private lost(reason: string): void {
    if (this.isOver) return
    this.over()
    for (const [stream, owner] of this.owners) owner.onConnectionLost(stream, reason)
    this.session.destroy()
    this.socket.destroy()
    this.events.onGone(this, this.isReady ? undefined : this.noHttp2(reason))
  }

  private noHttp2(reason: string): PbtError {
    const text = `${this.target.label} did not answer in HTTP/2 (--target-protocol h2c): ${reason}`
    return new PbtError('target-broke', text)
  }

  private close(): void {
    if (this.isOver) return
    this.over()
    this.session.destroy()
    // Node waits for the target's FIN after a GOAWAY, and for what a target that does not read leaves unsent.
    const timer = this.clock.after(CLOSE_MS, () => this.socket.destroy())
    this.socket.once('close', () => timer.clear())
    this.events.onGone(this, this.isReady ? undefined : this.noHttp2('it ended the connection at once'))
  }

  private over(): void {
    this.isOver = true
    this.settingsTimer.clear()
    this.probe?.timer.clear()
  }
}

function openSession(socket: Socket, target: Target): ClientHttp2Session {
  // Node's types know the option for servers only.
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => socket,
    // What a visitor sends twice goes on twice: Node would throw.
    strictSingleValueFields: false,
    maxHeaderListPairs: MAX_FIELDS + 1, // and the status
    maxSendHeaderBlockLength: MAX_REQUEST_HEAD_BYTES,
    settings: { initialWindowSize: WINDOW_BYTES, enablePush: false, maxHeaderListSize: MAX_HEAD_BYTES },
  }
  const session = connect(`http://${target.authority}`, options)
  session.setLocalWindowSize(SESSION_WINDOW_BYTES)
  return session
}
