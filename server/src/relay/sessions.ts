// All sessions: which join, resume or are replaced, and how all of them end.
import { create } from '@bufbuild/protobuf'
import {
  bareAddress,
  type Channel,
  GRACE_MS,
  isPublicAddress,
  type LinkFrame,
  PbtError,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
} from '@pbt/proto'
import { Feature, type Hello, WelcomeSchema } from '@pbt/proto/tunnel/v1'
import type { LookedAt, Sight } from './looks.ts'
import type { ClientFacts } from './news.ts'
import { Session, type SessionContext } from './session.ts'

/** Sessions at once, resumable ones too: one owner's machines. */
const MAX_SESSIONS = 1_000

/** Clients that are asked for one look: the others may be of older versions, or behind firewalls. */
const MAX_LOOKERS = 3

/** Clients told to come back do so within this for each of them, in all at most the second: a handshake costs milliseconds. */
const SPREAD_MS = 25
const MAX_SPREAD_MS = 5_000

/** The session that a client has got, new or resumed, and the welcome to send. */
export interface Joined {
  readonly session: Session
  readonly welcome: LinkFrame
  /** For `session.attach`, once the welcome is written. */
  readonly peerReceived: number
}

/** A client that has a session. */
export interface LiveClient extends ClientFacts {
  /** It has a link; else it lost it and may resume. */
  readonly isConnected: boolean
  /** When it got its link, or lost it. */
  readonly since: Date
  /** To the client and back, as measured last, milliseconds; 0: not yet. */
  readonly roundTripMs: number
  /** The names of its tunnels. */
  readonly tunnels: readonly string[]
}

/** Something under way; `tunnel`: its name. */
export interface OpenChannel {
  readonly tunnel: string
  readonly channel: Channel
}

/** All sessions together; what only grows does so over the ends of sessions. */
export interface SessionFigures {
  readonly sessions: number
  readonly tunnels: number
  readonly channels: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly unackedBytes: number
  readonly queuedBytes: number
  readonly datagramsDropped: number
  readonly creditStalls: number
  /** The longest of all. */
  readonly roundTripMs: number
}

/** What all sessions have in common, and what the welcome says. */
export interface SessionsOptions extends Omit<SessionContext, 'ended'> {
  readonly baseDomain: string
  /** The program and version, for the welcome. */
  readonly agent: string
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
}

/** All sessions by id and by client; a client's new session replaces its older one. */
export class Sessions {
  private readonly options: SessionsOptions
  private readonly byId = new Map<string, Session>()
  private readonly byClient = new Map<string, Session>()
  /** Of the sessions that are over. */
  private readonly past = { bytesSent: 0, bytesReceived: 0, datagramsDropped: 0, creditStalls: 0 }
  private isLeaving = false

  constructor(options: SessionsOptions) {
    this.options = options
  }

  /** Sessions at the moment, resumable ones too. */
  get size(): number {
    return this.byId.size
  }

  /** Looks at every session: to be asked now and then. */
  get figures(): SessionFigures {
    const sum = { sessions: this.byId.size, tunnels: 0, channels: 0, unackedBytes: 0, queuedBytes: 0, roundTripMs: 0 }
    const all = { ...sum, ...this.past }
    for (const { mux, tunnelCount } of this.byId.values()) {
      const { stats } = mux
      all.tunnels += tunnelCount
      all.channels += stats.channels
      all.bytesSent += stats.bytesSent
      all.bytesReceived += stats.bytesReceived
      all.unackedBytes += stats.unackedBytes
      all.queuedBytes += stats.queuedBytes
      all.datagramsDropped += stats.datagramsDropped
      all.creditStalls += stats.creditStalls
      all.roundTripMs = Math.max(all.roundTripMs, stats.roundTripMs)
    }
    return all
  }

  /** Every session, resumable ones too. */
  all(): Iterable<Session> {
    return this.byId.values()
  }

  /** By its id in hexadecimal. */
  get(id: string): Session | undefined {
    return this.byId.get(id)
  }

  /** The newest of a client. */
  ofClient(clientId: string): Session | undefined {
    return this.byClient.get(clientId)
  }

  /** Tunnels that the owner has ended are over, and their connections are cut. */
  endKilled(): void {
    for (const session of this.byId.values()) session.tunnels.endKilled()
  }

  /**
   * A port of this server as a client in another network sees it, the one that was heard of last first; undefined when there is none that
   * looks. `own`: addresses of this server, from where nobody sees it from outside. Never rejects.
   */
  async lookOutside(place: LookedAt, own: readonly string[], signal: AbortSignal): Promise<Sight | undefined> {
    const able = [...this.byId.values()].filter(
      session => session.isAttached && session.has(Feature.LOOK_OUTSIDE) && isOutside(session.address, own),
    )
    for (const session of able.reverse().slice(0, MAX_LOOKERS)) {
      const sight = await session.looks.ask(place, session.label, signal)
      if (sight !== undefined) return sight
    }
    return undefined
  }

  /** Every client that has a session, without those that came for an errand. */
  clients(): LiveClient[] {
    return [...this.byClient.values()].filter(session => !session.isErrand).map(liveClient)
  }

  /** The client with this id, if it is one of them. */
  client(id: string): LiveClient | undefined {
    const session = this.byClient.get(id)
    return session === undefined || session.isErrand ? undefined : liveClient(session)
  }

  /** Ends the session of a client, which begins a new one by itself; false: it has none. */
  disconnect(clientId: string, message: string): boolean {
    const session = this.byClient.get(clientId)
    session?.close('link-lost', message)
    return session !== undefined
  }

  /**
   * What is under way in all sessions, one after the other: may be gone through in parts, and has then also what comes
   * meanwhile and not what goes. A channel whose tunnel is over is left out.
   */
  *openChannels(): Generator<OpenChannel, void, undefined> {
    for (const session of this.byId.values()) {
      for (const channel of session.mux.channels.all()) {
        const tunnel = session.tunnels.nameOf(channel.tunnel)
        if (tunnel !== undefined) yield { tunnel, channel }
      }
    }
  }

  /** Requests, connections and flows under way in all sessions. */
  get channels(): number {
    let channels = 0
    for (const session of this.byId.values()) channels += session.mux.stats.channels
    return channels
  }

  /**
   * The session for a hello: the one it proves to own, or a new one, which replaces an older one of the same client.
   * Throws PbtError `replaced` for an older generation, `limit` when there are too many and `shutdown` after `goAway`.
   */
  join(hello: Hello, tokenId: number): Joined {
    const resumed = this.resumable(hello, tokenId)
    if (resumed !== undefined) return this.joined(resumed, true, Number(hello.resume?.received ?? 0n))
    // It would replace the session that still serves the visitors who are here.
    if (this.isLeaving) throw new PbtError('shutdown', 'the server is stopping')
    const older = this.byClient.get(hello.clientId)
    if (older !== undefined) {
      if (older.generation > hello.generation) {
        throw new PbtError('replaced', `a newer process of this client is connected (${older.label})`)
      }
      older.close('replaced', 'a newer process of this client took over')
    }
    if (this.byId.size >= MAX_SESSIONS) {
      throw new PbtError('limit', `the server has ${MAX_SESSIONS} sessions, the maximum`)
    }
    const session = new Session({ ...this.options, ended: over => this.forget(over) }, hello, tokenId)
    this.byId.set(session.id.toString('hex'), session)
    this.byClient.set(session.clientId, session)
    return this.joined(session, false, 0)
  }

  /** All tunnels go by the allowlists that are set now. */
  judgeAgain(): void {
    for (const session of this.byId.values()) session.tunnels.judgeAgain()
  }

  /** Certificates have come or gone: clients are told which of their addresses serve. */
  tellAgain(): void {
    for (const session of this.byId.values()) session.tunnels.tellAgain()
  }

  /** Ends at once all sessions whose token is worth nothing any more. */
  keepTokens(tokens: { has(tokenId: number): boolean }): void {
    for (const session of [...this.byId.values()]) {
      if (!tokens.has(session.tokenId)) session.close('token-revoked', 'the owner made a new token, or ended this one')
    }
  }

  /** Tells, each time it is called, whether any request or connection that is open now is open still. */
  watchOpen(): () => boolean {
    const sessions = [...this.byId.values()].map(session => ({ session, newest: session.mux.channels.newest }))
    return () => sessions.some(({ session, newest }) => !session.isClosed && session.mux.channels.isBusyUpTo(newest))
  }

  /** Asks all clients to come back on another link, each at a moment of its own so that they do not come all at once. */
  goAway(message: string): void {
    this.isLeaving = true
    const spreadMs = Math.min(MAX_SPREAD_MS, this.byId.size * SPREAD_MS)
    for (const session of this.byId.values()) {
      session.goAway('shutdown', message, Math.round(this.options.random() * spreadMs))
    }
  }

  /** Ends all sessions. */
  close(message: string): void {
    for (const session of [...this.byId.values()]) session.close('shutdown', message)
  }

  /** A wrong id or secret, another token or another client: as if nothing were claimed; the hello gets a new session. */
  private resumable(hello: Hello, tokenId: number): Session | undefined {
    if (hello.resume === undefined) return undefined
    const session = this.byId.get(Buffer.from(hello.resume.sessionId).toString('hex'))
    if (session === undefined || !session.isProvenBy(hello.resume.secret)) return undefined
    if (session.clientId !== hello.clientId || !session.token.isOf(tokenId)) return undefined
    // The client has a newer one: that it took it may have been lost with the link.
    session.token.taken(tokenId)
    return session
  }

  private joined(session: Session, resumed: boolean, peerReceived: number): Joined {
    const value = create(WelcomeSchema, {
      major: PROTOCOL_MAJOR,
      minor: PROTOCOL_MINOR,
      agent: this.options.agent,
      sessionId: session.id,
      secret: session.secret,
      resumed,
      received: BigInt(session.mux.received),
      graceMs: GRACE_MS,
      baseDomain: this.options.baseDomain,
      features: [Feature.OWNER_ASKED, Feature.TARGET_HEALTH, Feature.ALLOW_PEER, Feature.MEASURE],
    })
    return { session, welcome: { case: 'welcome', value }, peerReceived }
  }

  private forget(session: Session): void {
    const { bytesSent, bytesReceived, datagramsDropped, creditStalls } = session.mux.stats
    this.past.bytesSent += bytesSent
    this.past.bytesReceived += bytesReceived
    this.past.datagramsDropped += datagramsDropped
    this.past.creditStalls += creditStalls
    this.byId.delete(session.id.toString('hex'))
    if (this.byClient.get(session.clientId) === session) this.byClient.delete(session.clientId)
  }
}

/** Whether whoever comes from there sees this server from outside. */
function isOutside(address: string, own: readonly string[]): boolean {
  return isPublicAddress(address) && !own.includes(bareAddress(address))
}

function liveClient(session: Session): LiveClient {
  const { clientId, machineId, label, agent, minor, address, tokenId, since } = session
  return {
    ...{ clientId, machineId, label, agent, minor, address, tokenId, since },
    isConnected: session.isAttached,
    roundTripMs: session.mux.stats.roundTripMs,
    tunnels: session.tunnelNames,
  }
}
