// A channel: one request, connection or flow inside a session, as its owner at either end sees it.

import type { ChannelKind, HeaderList, ResponseHead } from '../codec/heads.ts'
import type { ErrorCode, PbtError } from '../errors.ts'

/**
 * What the owner of a channel does with what arrives. Called synchronously, in the order of the frames; must not
 * throw: if it does, its channel is reset at both ends, `internal`, and the session goes on. `last` tells that the peer's
 * direction ends with this call and `onEnd` follows at once.
 * After `onReset`, or once both directions have ended, nothing more is called.
 */
export interface ChannelHandler {
  /** What the owner calls it, where it knows more than the channel: http, websocket, upgrade. */
  readonly kind?: string
  /** What it is about, for people: method and path of a request. */
  readonly summary?: string
  /** A response head (at the edge). 1xx other than 101 come first, then the final one. */
  onHead?(head: ResponseHead, last: boolean): void
  /** Bytes, to keep as long as wanted. The owner owes `channel.consumed(chunk.length)` once they have gone on. */
  onData?(chunk: Buffer, last: boolean): void
  /** One datagram, whole. Owes nothing. */
  onDatagram?(datagram: Buffer): void
  /** Trailers; `onEnd` follows at once. */
  onTrailers?(trailers: HeaderList): void
  /** The peer's direction ended cleanly: everything it sent has been handed over. */
  onEnd?(): void
  /** The channel is over in both directions and something may be missing. Also when the session ended. */
  onReset(error: PbtError): void
  /** Room again after `write` returned false. */
  onDrain?(): void
}

/** One end of a stream or datagram flow. `write` never blocks: false asks the owner to wait for `onDrain`. */
export interface Channel {
  readonly id: number
  readonly kind: ChannelKind
  /** The visitor that it was opened for: address and port, `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
  readonly visitor: string
  /** By the clock of the session. */
  readonly openedAt: number
  /** Set by the opener at once, by the acceptor within `onOpen`. */
  handler: ChannelHandler
  /** Neither ended in both directions nor reset. */
  readonly isOpen: boolean
  /** Some of it has gone out, or is about to: from now on the peer may have it. Stays as it was once the channel is over. */
  readonly isAnnounced: boolean
  /** This end has ended its direction (`end` was called). */
  readonly isEnded: boolean
  /** Payload bytes handed to `write`/`sendDatagram` and handed out by `onData`/`onDatagram`. */
  readonly bytesSent: number
  readonly bytesReceived: number
  /** What of them some figures of the owner's house have already: kept here so that counting what is open costs nothing else. */
  countedSent: number
  countedReceived: number

  /** Sends a response head (at the client). */
  sendHead(head: ResponseHead): void
  /**
   * Sends bytes, which the caller must not change afterwards. False: enough is waiting, `onDrain` will be called.
   * After a reset or after `end` it does nothing and returns true.
   */
  write(chunk: Uint8Array): boolean
  /** Sends one datagram or drops it (false) when too much waits. */
  sendDatagram(datagram: Uint8Array): boolean
  /** Sends trailers and ends this direction. */
  sendTrailers(trailers: HeaderList): void
  /** Ends this direction after everything written. */
  end(): void
  /** Ends the channel both ways at once; what waits is dropped. Does not call the own handler. Again: nothing. */
  reset(code: ErrorCode, message: string): void
  /** The owner has passed `bytes` on: the peer may send as many more. */
  consumed(bytes: number): void
}
