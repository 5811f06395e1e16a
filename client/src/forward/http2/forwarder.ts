// Forwards requests to a target that speaks HTTP/2 without TLS (h2c with prior knowledge), gRPC servers above all.
import { type Clock, systemClock } from '@pbt/proto'
import type { Target } from '../../config/target.ts'
import type { Forwarder } from '../forwarder.ts'
import type { Places } from '../places.ts'
import { Pool } from '../pool.ts'
import type { OnRequest } from '../record.ts'
import { type HostHeader, rewritten } from '../rewriting.ts'
import { RequestExchange } from './exchange.ts'
import { webSocketKeyOf } from './fields.ts'
import { HandshakeExchange } from './handshake.ts'
import { Http2Pool } from './pool.ts'
import type { Ways } from './stream-exchange.ts'
import { WebSocketExchange } from './websocket.ts'

/** The target of one tunnel, how requests reach it, and what to call about them. */
export interface Http2ForwarderOptions {
  readonly target: Target
  /** What the target sees as Host. */
  readonly host: HostHeader
  readonly places: Places
  readonly onRequest: OnRequest
  /** Told whether the target is reached: why not, '' when it is. */
  readonly onTarget?: ((message: string) => void) | undefined
  readonly clock?: Clock
}

/** Few connections for all requests; upgrades that HTTP/2 does not have go over HTTP/1.1 to the same target. */
export function createHttp2Forwarder(options: Http2ForwarderOptions): Forwarder {
  const { target, host, places, onRequest, onTarget, clock = systemClock } = options
  const dialer = { target, places, clock, onTarget }
  const pool = new Http2Pool({ ...dialer, alpn: 'h2' })
  const http1 = new Pool({ ...dialer, alpn: 'http/1.1' })
  const ways: Ways = { pool, http1, clock, onRequest }
  return {
    accept: (channel, open, last) => {
      if (open.kind !== 'http') return
      const head = rewritten(open.head, host)
      const key = webSocketKeyOf(head)
      if (head.upgrade === '') new RequestExchange(channel, head, last, ways).begin()
      else if (key === undefined) new HandshakeExchange(channel, head, ways)
      else new WebSocketExchange(channel, head, last, ways, key).begin()
    },
    close: () => {
      pool.close()
      http1.close()
    },
  }
}
