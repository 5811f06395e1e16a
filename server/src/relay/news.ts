// What the relay has to tell of clients and tunnels to its listeners. It never waits for them, and they never throw.
import type { ErrorCode } from '@pbt/proto'

/** A client, as far as it has told and shown. */
export interface ClientFacts {
  readonly clientId: string
  readonly machineId: string
  readonly label: string
  /** Program and version, for example pbt/0.1.0. */
  readonly agent: string
  /** Of the protocol that it speaks. */
  readonly minor: number
  /** Where it comes from, without the port. */
  readonly address: string
  readonly tokenId: number
}

/** A tunnel of a client. */
export interface TunnelFacts {
  readonly name: string
  /** http, tcp or udp. */
  readonly kind: string
  readonly target: string
}

/** How a session that went on came through. */
export interface Resumption {
  /** How long it had no link, milliseconds. */
  readonly awayMs: number
  /** Requests, connections and flows that were open when the link broke and still are. */
  readonly wentOn: number
  /** Those that ended meanwhile. */
  readonly lost: number
}

/** Why something ended. */
export interface Ending {
  readonly code: ErrorCode
  readonly reason: string
}

/** Called synchronously, when it has happened; must not throw. */
export interface RelayNews {
  /** A session began. */
  clientConnected(client: ClientFacts): void
  /** Its link broke, with so much open; it may go on within the grace time. */
  clientLost(client: ClientFacts, why: string, open: number): void
  clientResumed(client: ClientFacts, how: Resumption): void
  /** Its session is over, and so much with it. Not told when the server stops. */
  clientGone(client: ClientFacts, why: Ending, open: number): void
  tunnelOnline(client: ClientFacts, tunnel: TunnelFacts, urls: readonly string[]): void
  tunnelOffline(client: ClientFacts, tunnel: TunnelFacts, why: Ending): void
  /** The client asked for a tunnel that it cannot have. */
  tunnelRefused(client: ClientFacts, tunnel: TunnelFacts, why: Ending): void
  /** Its client does not reach the target. */
  targetRefuses(client: ClientFacts, tunnel: TunnelFacts, why: string): void
  /** Its client reaches the target again. */
  targetAnswers(client: ClientFacts, tunnel: TunnelFacts): void
  /** The client took the newer token that it was sent; `notStored`: why not for its next start, '' when it is. */
  tokenTaken(client: ClientFacts, notStored: string): void
  /** A visitor with this address was turned away by a rule, for example not-allowed. Called for each one of a flood. */
  visitorRefused(tunnel: string, address: string, rule: string): void
  /** A peer at this address sent a wrong token. */
  tokenRefused(address: string): void
}

const nothing = () => {}

/** Listens to nothing. */
export const NO_NEWS: RelayNews = {
  clientConnected: nothing,
  clientLost: nothing,
  clientResumed: nothing,
  clientGone: nothing,
  tunnelOnline: nothing,
  tunnelOffline: nothing,
  tunnelRefused: nothing,
  targetRefuses: nothing,
  targetAnswers: nothing,
  tokenTaken: nothing,
  visitorRefused: nothing,
  tokenRefused: nothing,
}
