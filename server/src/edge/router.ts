// Which tunnel a request is for: by its host, and by whether its connection may speak for that host.
import type { LiveTunnel, Lookup } from '../relay/registry.ts'
import type { CookieIsolation } from './fields/cookies.ts'
import type { ReplyCode, ReplyOptions } from './replies.ts'

/** What the router asks of the relay. */
export interface Tunnels {
  lookup(host: string): Lookup
  whenKnown(host: string, call: (lookup: Lookup) => void): (() => void) | undefined
}

/** What happens to a request: a tunnel gets it, the edge answers, or it waits for a client that is expected back. */
export type Route =
  /** `cookies`: which of its cookies may not go on; undefined: all may. */
  | { readonly kind: 'tunnel'; readonly tunnel: LiveTunnel; readonly cookies: CookieIsolation | undefined }
  /** `tunnel`: the name of the one that may not be visited, empty for none. */
  | { readonly kind: 'reply'; readonly code: ReplyCode; readonly options: ReplyOptions; readonly tunnel: string }
  /** Calls once with another route; undefined from `wait` means that it cannot. */
  | { readonly kind: 'wait'; readonly wait: (call: (route: Route) => void) => (() => void) | undefined }

/** What the choice of a tunnel depends on. */
export interface RouterOptions {
  readonly baseDomain: string
  readonly tunnels: Tunnels
  /** Whether the certificate shown for a server name, '' for none, also covers a host, so that connections may be shared. */
  readonly covers: (serverName: string, host: string) => boolean
  readonly limits: { readonly isMemoryShort: boolean }
  /** Undefined: tunnels may set cookies for each other. */
  readonly cookies?: CookieIsolation | undefined
}

/** Where the API and the panel are. */
export function adminHost(baseDomain: string): string {
  return `admin.${baseDomain}`
}

/** Finds the tunnel for a request from its host, server name and visitor address, without I/O. */
export class Router {
  private readonly options: RouterOptions
  private readonly adminHost: string

  constructor(options: RouterOptions) {
    this.options = options
    this.adminHost = adminHost(options.baseDomain)
  }

  /**
   * `serverName`: of the TLS connection, lower-case; '' when the visitor sent none, undefined on plain HTTP. `address`: the
   * visitor's.
   */
  route(host: string, serverName: string | undefined, address: string): Route {
    if (this.options.limits.isMemoryShort) return reply('overloaded', { detail: 'the memory of the server is short' })
    if (serverName !== undefined && serverName !== host && !this.mayShare(serverName, host)) {
      const named = serverName === '' ? 'without a server name' : `for ${serverName}`
      return reply('misdirected', { detail: `the connection was made ${named}, the request is for ${host}` })
    }
    return this.routeOf(host, address, this.options.tunnels.lookup(host))
  }

  private mayShare(serverName: string, host: string): boolean {
    if (serverName === this.adminHost || host === this.adminHost) return false
    return this.options.covers(serverName, host)
  }

  private routeOf(host: string, address: string, lookup: Lookup): Route {
    switch (lookup.state) {
      case 'online':
        if (lookup.tunnel.isPaused) return reply('paused', {}, lookup.tunnel.name)
        if (!lookup.tunnel.allows(address)) {
          return reply('not-allowed', { detail: `your address is ${address}` }, lookup.tunnel.name)
        }
        return { kind: 'tunnel', tunnel: lookup.tunnel, cookies: this.options.cookies }
      case 'offline':
        return reply('offline', {
          detail: `no pbt is connected for ${host}`,
          retryAfterSeconds: lookup.retryAfterSeconds,
        })
      case 'unknown':
        return reply('unknown-host', { detail: `you asked for ${host}` })
      case 'awaited':
        return {
          kind: 'wait',
          wait: call => this.options.tunnels.whenKnown(host, known => call(this.routeOf(host, address, known))),
        }
    }
  }
}

function reply(code: ReplyCode, options: ReplyOptions, tunnel = ''): Route {
  return { kind: 'reply', code, options, tunnel }
}
