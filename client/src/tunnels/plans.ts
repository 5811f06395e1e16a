// Tunnels as options describe them, on the command line or in a spec of `pbt up`, made into plans.
import { MAX_CONTROL_BYTES, notBare, parseBlock } from '@pbt/proto'
import { parsePortTarget, parseTarget } from '../config/target.ts'
import { type TargetTlsOptions, withTls } from '../config/target-tls.ts'
import { Failure } from '../failure.ts'
import { createHttpForwarder } from '../forward/http.ts'
import type { Places } from '../forward/places.ts'
import type { OnRequest } from '../forward/record.ts'
import { createTcpForwarder } from '../forward/tcp.ts'
import { createUdpForwarder } from '../forward/udp.ts'
import type { TunnelPlan } from '../session/session.ts'

/** Who is told of what visitors do, and of whether their connections reach the target: why not, '' when they do. */
export interface PlanEvents {
  readonly onRequest: OnRequest
  readonly onTarget: (message: string) => void
}

/** A plan, made once its number is known, where its sockets are counted and who is told of what happens. */
export type MakePlan = (number: number, places: Places, events: PlanEvents) => TunnelPlan

/** Options of all kinds of tunnels, as the command line has them. */
export interface CommonOptions {
  readonly target: string
  readonly name: string | undefined
  readonly allow: readonly string[] | undefined
}

/** Options of an HTTP tunnel, as the command line has them. */
export interface HttpPlanOptions extends CommonOptions, TargetTlsOptions {
  readonly domain: readonly string[] | undefined
  readonly hostHeader: string
  readonly targetProtocol: 'http1' | 'h2c'
}

/** Options of TCP and UDP tunnels, as the command line has them. */
export interface PortPlanOptions extends CommonOptions {
  readonly reservePort: string | undefined
}

/** Throws Failure `usage` for what cannot be; likewise the others. */
export function httpPlan(options: HttpPlanOptions): MakePlan {
  const target = withTls(parseTarget(options.target), options)
  const { hostHeader, targetProtocol } = options
  if (target.isTls && targetProtocol === 'h2c') {
    throw new Failure('usage', `target "${target.label}" is https, and h2c is HTTP/2 without TLS`, {
      cure: 'leave out --target-protocol h2c, or give the target as http://',
    })
  }
  if (!/^[\x21-\x7e]+$/.test(hostHeader)) {
    throw new Failure('usage', `--host-header ${JSON.stringify(hostHeader)} cannot be a Host field`, {
      cure: 'give preserve, rewrite or a host name',
    })
  }
  for (const domain of options.domain ?? []) checkDomain(domain)
  const wishes = { ...common(options), domains: options.domain ?? [] }
  return (number, places, events) => ({
    ...wishes,
    number,
    kind: 'http',
    target: target.label,
    endpoint: target.endpoint,
    forwarder: createHttpForwarder({
      target,
      hostHeader,
      protocol: targetProtocol,
      places,
      ...events,
    }),
  })
}

/** Throws Failure `usage` for an option that cannot be used. */
export function tcpPlan(options: PortPlanOptions & { readonly proxyProtocol: string | undefined }): MakePlan {
  const target = parsePortTarget(options.target, 'tcp')
  const { proxyProtocol } = options
  if (proxyProtocol !== undefined && proxyProtocol !== 'v1' && proxyProtocol !== 'v2') {
    throw new Failure('usage', `--proxy-protocol "${proxyProtocol}" is not known`, { cure: 'give v1 or v2' })
  }
  const wishes = { ...common(options), port: portOf(options.reservePort) }
  return (number, places, events) => ({
    ...wishes,
    number,
    kind: 'tcp',
    target: target.label,
    endpoint: target.endpoint,
    forwarder: createTcpForwarder({ target, proxyProtocol, places, ...events }),
  })
}

/** Options of a UDP tunnel, as the command line has them. */
export interface UdpPlanOptions extends PortPlanOptions {
  readonly idleTimeout: string | undefined
  readonly replyFactor: string | undefined
  readonly proxyProtocol: string | undefined
}

/** Throws Failure `usage` for an option that cannot be used; of the PROXY protocol only v2 can. */
export function udpPlan(options: UdpPlanOptions): MakePlan {
  const target = parsePortTarget(options.target, 'udp')
  const { proxyProtocol } = options
  if (proxyProtocol !== undefined && proxyProtocol !== 'v2') {
    throw new Failure('usage', `--proxy-protocol "${proxyProtocol}" cannot be used: datagrams have version 2 only`, {
      cure: 'give v2',
    })
  }
  const idleTimeoutMs = durationOf(options.idleTimeout)
  const replyFactor = factorOf(options.replyFactor)
  const wishes = { ...common(options), port: portOf(options.reservePort), idleTimeoutMs, replyFactor }
  return (number, places, events) => ({
    ...wishes,
    number,
    kind: 'udp',
    target: target.label,
    endpoint: target.endpoint,
    forwarder: createUdpForwarder({ target, isIntroduced: proxyProtocol !== undefined, places, ...events }),
  })
}

/** An allowlist goes to the server in one frame, with the names and the target beside it. */
const MAX_ALLOW_BYTES = MAX_CONTROL_BYTES - 16 * 1024
const ENTRY_FRAMING_BYTES = 2

function common({ name, allow = [] }: CommonOptions) {
  for (const entry of allow) checkBlock(entry, `--allow "${entry}"`)
  const bytes = allow.reduce((sum, entry) => sum + entry.length + ENTRY_FRAMING_BYTES, 0)
  if (bytes > MAX_ALLOW_BYTES) {
    throw new Failure(
      'usage',
      `--allow is given ${allow.length} times: a list for a tunnel is at most ${MAX_ALLOW_BYTES} bytes`,
      {
        cure: 'set the list on the server, with "pbt-server allow", or give larger blocks',
      },
    )
  }
  return { name: name ?? '', domains: [], port: 0, allow, idleTimeoutMs: 0, replyFactor: undefined }
}

/** The server reads them again; here a slip is told before anything is opened. `what`: how it was given. Throws Failure `usage`. */
export function checkBlock(entry: string, what: string): void {
  const block = parseBlock(entry)
  if (typeof block !== 'string') return
  throw new Failure('usage', `${what} cannot be used: ${block}`, {
    cure: 'give addresses or CIDR blocks, such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32',
  })
}

/** What a name is, the server knows; that a URL is none can be told at once, before a daemon keeps it. */
function checkDomain(domain: string): void {
  const wrong = notBare(domain.trim())
  if (wrong === undefined) return
  throw new Failure('usage', `--domain "${domain}" cannot be used: ${wrong.why}`, { cure: wrong.cure })
}

function portOf(text: string | undefined): number {
  if (text === undefined) return 0
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw new Failure('usage', `"${text}" is not a port that can be reserved`, { cure: 'give a number from 1 to 65535' })
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const MAX_IDLE_MS = 24 * 3_600_000

function durationOf(text: string | undefined): number {
  if (text === undefined) return 0
  const match = /^(\d{1,8})(ms|s|m|h)$/.exec(text)
  const milliseconds = Number(match?.[1] ?? 0) * (UNIT_MS[match?.[2] ?? ''] ?? 0)
  if (milliseconds >= 1_000 && milliseconds <= MAX_IDLE_MS) return milliseconds
  throw new Failure('usage', `--idle-timeout "${text}" cannot be used`, {
    cure: 'give a time from 1s to 24h, such as 90s or 5m',
  })
}

const MAX_REPLY_FACTOR = 1_000_000

function factorOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (text === 'off') return 0
  const factor = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (factor >= 1 && factor <= MAX_REPLY_FACTOR) return factor
  throw new Failure('usage', `--reply-factor "${text}" cannot be used`, {
    cure: `give a whole number from 1 to ${MAX_REPLY_FACTOR}, or "off" for no bound`,
  })
}
