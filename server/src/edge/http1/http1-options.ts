// What all HTTP/1 connections of a port have in common.
import type { Socket } from 'node:net'
import type { HeaderList } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import type { Visitor } from '../fields/headers.ts'
import type { Router } from '../router.ts'

/** Where requests are sent on to. */
export interface Redirect {
  /** No tunnel is served on this port. */
  readonly isForAll: boolean
  /** Undefined: it is served here. */
  to(host: string, target: string): string | undefined
}

/** The answer to a token of HTTP-01; undefined: the token is not this server's. */
export type ChallengeAnswer = (token: string) => string | undefined

/** Given by the owner of the port. */
export interface Http1Options {
  readonly router: Router
  readonly visitorOf: (socket: Socket) => Visitor
  /** The visitor of a request with these fields: another one than its connection's behind a trusted proxy. */
  readonly visitorBehind: (connection: Visitor, fields: HeaderList) => Visitor
  /** The server name of the connection, undefined without TLS. */
  readonly serverNameOf: (socket: Socket) => string | undefined
  readonly responseTimeoutMs: number
  /** Bytes a second that a request's body has to bring where room is short; 0 for no such limit. */
  readonly leastBodyRate: number
  /** Room is short for all visitors. */
  readonly isScarce: () => boolean
  /** The server is stopping: connections end with their answers. */
  readonly isDraining: () => boolean
  /** For the plain port: which requests are sent elsewhere. */
  readonly redirect?: Redirect
  /** For the plain port: what a CA that looks for this token is to get (RFC 8555, 8.3); undefined: the token is not this server's. */
  readonly challenge?: ChallengeAnswer
  readonly access: AccessSink
  /** Seconds since some moment, counted by the owner. */
  readonly tick: () => number
}
