// Sockets that outlive the server, as systemd keeps them for a socket unit: bound here, listened to by whoever gets them.
import * as net from 'node:net'
import type { Stream } from 'node:stream'

export interface KeptSocket {
  readonly port: number
  /** For `stdio` of a child process. */
  readonly handle: Stream
  close(): void
}

interface Handle {
  getsockname(out: { port?: number }): number
  close(): void
}

/** A bound socket of this process on a free port of 127.0.0.1, on which nobody listens yet. */
export function keptSocket(): KeptSocket {
  // What node:cluster shares between its workers: a socket in no state yet. A server of this process would take connections.
  const make = (net as unknown as { _createServerHandle(...args: (string | number)[]): Handle })._createServerHandle
  const handle = make('127.0.0.1', 0, 4, -1, 0)
  const name: { port?: number } = {}
  handle.getsockname(name)
  // child_process takes handles as well as streams; its types know only the streams.
  return { port: name.port ?? 0, handle: handle as unknown as Stream, close: () => handle.close() }
}
