// HTTP heads as both ends handle them: octets in latin1 strings, headers in one flat list.

/**
 * Names and values in turn, as received: order, case and duplicates kept; each string holds octets (latin1), never
 * CR, LF or NUL. A flat list because Node takes and gives it so and nothing has to be allocated for a pair.
 */
export type HeaderList = string[]

/** What a visitor asked for. Hop-by-hop fields are gone; the rules stand in proto/README.md, "HTTP channels". */
export interface RequestHead {
  /** The client's number of the tunnel. */
  tunnel: number
  method: string
  /** Origin form or `*`, octet for octet. */
  target: string
  headers: HeaderList
  /** The visitor's Upgrade field, '' for none. */
  upgrade: string
  /** `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
  visitor: string
  /** Names the visitor's connection, '' when the visitor is not known. */
  connection: string
}

/** Status line and fields of a response, interim or final (RFC 9110 section 15). */
export interface ResponseHead {
  /** 100 to 599. 1xx other than 101 announce that another head follows. */
  status: number
  reason: string
  headers: HeaderList
  /** The protocol chosen, with 101 only, else ''. */
  upgrade: string
}

/** How a channel begins. `end` on an HTTP request: it has no body. */
export type ChannelOpen =
  | { kind: 'http'; head: RequestHead }
  | { kind: 'tcp'; tunnel: number; visitor: string; local: string }
  | { kind: 'udp'; tunnel: number; visitor: string; local: string }

/** What a channel carries; fixed when it is opened. */
export type ChannelKind = ChannelOpen['kind']
