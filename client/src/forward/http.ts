// Forwards the requests of one HTTP tunnel to its target.
import { systemClock } from '@pbt/proto'
import type { Target } from '../config/target.ts'
import { Http1Exchange } from './exchange.ts'
import type { Forwarder } from './forwarder.ts'
import { createHttp2Forwarder } from './http2/forwarder.ts'
import type { Places } from './places.ts'
import { Pool } from './pool.ts'
import type { OnRequest } from './record.ts'
import { type HostHeader, hostHeaderFor, rewritten } from './rewriting.ts'

/** The target of one tunnel, how requests reach it, and what to call about them. */
export interface HttpForwarderOptions {
  readonly target: Target
  /** What the target sees as Host: `preserve`, `rewrite` or a value. */
  readonly hostHeader: string
  readonly protocol: 'http1' | 'h2c'
  readonly places: Places
  /** Told of every request at its end. Must not throw. */
  readonly onRequest: OnRequest
  /** Told whether the target is reached: why not, '' when it is. */
  readonly onTarget?: ((message: string) => void) | undefined
}

/** A forwarder that speaks to the target, and to nothing else, whatever the server asks for. */
export function createHttpForwarder(options: HttpForwarderOptions): Forwarder {
  const { target, protocol, places, onRequest, onTarget } = options
  const host = hostHeaderOf(options.hostHeader, target)
  if (protocol === 'h2c') return createHttp2Forwarder({ target, host, places, onRequest, onTarget })
  const pool = new Pool({ target, alpn: 'http/1.1', places, clock: systemClock, onTarget })
  return {
    accept: (channel, open, last) => {
      if (open.kind === 'http') new Http1Exchange(channel, rewritten(open.head, host), last, pool, onRequest)
    },
    close: () => pool.close(),
  }
}

function hostHeaderOf(option: string, target: Target): HostHeader {
  if (option === 'preserve') return { kind: 'preserve' }
  return hostHeaderFor(option === 'rewrite' ? target.authority : option, target.isTls)
}
