// Connects to a target: TCP, TLS or a unix socket, one address after the other.
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Clock, KIB, keepAliveDelayMs, PbtError, withReadBuffers } from '@pbt/proto'
import type { Target } from '../config/target.ts'
import type { Places } from './places.ts'
import { tlsReason } from './tls-reason.ts'

/** Time for name, TCP and TLS together. */
export const DIAL_MS = 10_000
/** What Node keeps for a connection whose target does not read: this and one write more. */
const STREAM_BUFFER_BYTES = 16 * KIB

/** What a dial needs to know; one for all dials to a target. */
export interface Dialer {
  readonly target: Target
  readonly alpn: string
  /** Shared by all tunnels. */
  readonly places: Places
  readonly clock: Clock
  /** Told of each dial whether the target took it: why not, '' when it did. */
  readonly onTarget?: ((message: string) => void) | undefined
}

/** Exactly one of them is called, unless the dial is given up before. */
export interface DialEvents {
  onConnected(socket: Socket): void
  /** Code `target-unreachable`, or `limit` when there is no descriptor for it. */
  onFailed(error: PbtError): void
}

/** Dials; one of the events follows, never at once. Returns what gives up, and then none does. */
export function dial(dialer: Dialer, events: DialEvents): () => void {
  const { target, clock, places, onTarget } = dialer
  if (!places.take()) return refuse(dialer, events)
  const fail = (error: PbtError) => {
    // That this process has no room says nothing of the target.
    if (error.code === 'target-unreachable') onTarget?.(error.message)
    events.onFailed(error)
  }
  const hosts = target.endpoint.kind === 'tcp' ? target.endpoint.hosts : ['']
  let socket: Socket | undefined
  /** Of all addresses: one that says more than that nobody is there. */
  let reason: Error | undefined
  let isOver = false
  const over = () => {
    isOver = true
    timer.clear()
  }
  const timer = clock.after(DIAL_MS, () => {
    over()
    socket?.destroy()
    places.give()
    fail(unreachable(target, `no connection within ${DIAL_MS / 1000} s`))
  })
  const attempt = (index: number) => {
    const current = open(dialer, hosts[index] ?? '')
    socket = current
    const failed = (error: Error) => {
      current.destroy()
      if (isOver) return
      if (reason === undefined || (isRefusal(reason) && !isMissingFamily(error))) reason = error
      if (index + 1 < hosts.length) attempt(index + 1)
      else {
        over()
        places.give()
        fail(isExhaustion(reason) ? noDescriptor(target) : unreachable(target, whyUnreachable(reason, target), reason))
      }
    }
    current.once('error', failed)
    current.once(target.isTls ? 'secureConnect' : 'connect', () => {
      if (isOver) return
      over()
      current.off('error', failed)
      current.once('close', () => places.give())
      onTarget?.('')
      events.onConnected(current)
    })
  }
  attempt(0)
  return () => {
    if (isOver) return
    over()
    socket?.on('error', () => {})
    socket?.destroy()
    places.give()
  }
}

function refuse({ target, clock }: Dialer, events: DialEvents): () => void {
  let isOver = false
  clock.soon(() => {
    if (!isOver) events.onFailed(noDescriptor(target))
  })
  return () => {
    isOver = true
  }
}

/** What the link and the rest of the process need is kept: a visitor more would cost all of them their tunnel. */
function noDescriptor(target: Target): PbtError {
  const text = `could not connect to ${target.label}: pbt has as many connections open as its descriptors allow (ulimit -n)`
  return new PbtError('limit', text)
}

function open({ target, alpn }: Dialer, host: string): Socket {
  const { endpoint } = target
  const buffers = { allowHalfOpen: true, writableHighWaterMark: STREAM_BUFFER_BYTES }
  if (endpoint.kind === 'unix')
    return withReadBuffers(onread => connectTcp({ path: endpoint.path, ...buffers, onread }))
  const where = {
    ...buffers,
    host,
    port: endpoint.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs(),
  }
  if (!target.isTls) return withReadBuffers(onread => connectTcp({ ...where, onread }))
  return connectTls({
    ...where,
    ...(target.serverName === '' ? {} : { servername: target.serverName }),
    ...(target.trusted === undefined ? {} : { secureContext: target.trusted }),
    rejectUnauthorized: target.isVerified,
    ALPNProtocols: [alpn],
  })
}

function unreachable(target: Target, reason: string, cause?: unknown): PbtError {
  return new PbtError('target-unreachable', `could not connect to ${target.label}: ${reason}`, { cause })
}

function isExhaustion(error: Error): boolean {
  return 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')
}

/** This machine has no such address itself, as `::1` without IPv6: that says nothing of the target. */
function isMissingFamily(error: Error): boolean {
  return 'code' in error && (error.code === 'EAFNOSUPPORT' || error.code === 'EADDRNOTAVAIL')
}

/** Nobody listens there. */
export function isRefusal(error: Error): boolean {
  return 'code' in error && error.code === 'ECONNREFUSED'
}

function whyUnreachable(error: Error, { endpoint, serverName }: Target): string {
  const code = 'code' in error ? error.code : undefined
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
      return 'the name is not known'
    case 'EAI_AGAIN':
      return 'the name could not be looked up'
    case 'ENOENT':
      return 'there is no such socket'
    case 'EACCES':
      return 'permission denied'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to the host'
    case 'ECONNRESET':
      return 'connection reset'
    default: {
      const [host = ''] = endpoint.kind === 'tcp' ? endpoint.hosts : []
      return tlsReason(error, serverName || host) ?? error.message
    }
  }
}
