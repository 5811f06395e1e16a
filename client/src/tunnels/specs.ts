// A tunnel in words: kind, target and options as the command line names them. What commands, files and requests have in common.
import type { ChannelKind } from '@pbt/proto'
import { Failure } from '../failure.ts'
import { httpPlan, type MakePlan, tcpPlan, udpPlan } from './plans.ts'

/** Of an option: `true` for one that is there or not, a list for one that may be repeated. */
export type SpecValue = string | true | readonly string[]

/** A tunnel that is wanted. */
export interface TunnelSpec {
  readonly kind: ChannelKind
  readonly target: string
  /** By the option's name on the command line, without dashes. */
  readonly options: Readonly<Record<string, SpecValue>>
}

export const KINDS = ['http', 'tcp', 'udp'] as const satisfies readonly ChannelKind[]
/** Options that are there or not. */
export const FLAGS: ReadonlySet<string> = new Set(['verify-target', 'insecure-target'])
/** Options that are lists. */
export const LISTS: ReadonlySet<string> = new Set(['domain', 'allow'])
/** The options of each kind. */
export const OPTIONS: Readonly<Record<ChannelKind, readonly string[]>> = {
  http: ['domain', 'name', 'allow', 'host-header', 'target-protocol', ...FLAGS, 'target-ca', 'target-name'],
  tcp: ['reserve-port', 'name', 'allow', 'proxy-protocol'],
  udp: ['reserve-port', 'name', 'allow', 'idle-timeout', 'reply-factor', 'proxy-protocol'],
}

/** What the command line gives where nothing was given. */
const DEFAULTS: Readonly<Record<string, string>> = { 'host-header': 'preserve', 'target-protocol': 'http1' }

/** The spec in parsed options of a command line, whatever else is among them. */
export function specOf(kind: ChannelKind, target: string, given: Readonly<Record<string, unknown>>): TunnelSpec {
  const options: Record<string, SpecValue> = {}
  for (const key of OPTIONS[kind]) {
    const value = given[key]
    if (FLAGS.has(key)) {
      if (value === true) options[key] = true
    } else if (LISTS.has(key)) {
      if (Array.isArray(value) && value.length > 0) options[key] = value.map(String)
    } else if (value !== undefined && value !== DEFAULTS[key]) options[key] = String(value)
  }
  return { kind, target, options }
}

/** Throws Failure `usage` for what cannot be. */
export function planOf({ kind, target, options }: TunnelSpec): MakePlan {
  const one = (key: string) => {
    const value = options[key]
    return typeof value === 'string' ? value : undefined
  }
  const list = (key: string) => {
    const value = options[key]
    return typeof value === 'object' ? value : undefined
  }
  const common = { target, name: one('name'), allow: list('allow') }
  const proxyProtocol = one('proxy-protocol')
  if (kind === 'tcp') return tcpPlan({ ...common, reservePort: one('reserve-port'), proxyProtocol })
  if (kind === 'udp') {
    const [idleTimeout, replyFactor] = [one('idle-timeout'), one('reply-factor')]
    return udpPlan({ ...common, reservePort: one('reserve-port'), idleTimeout, replyFactor, proxyProtocol })
  }
  const targetProtocol = one('target-protocol') ?? 'http1'
  if (targetProtocol !== 'http1' && targetProtocol !== 'h2c') {
    throw new Failure('usage', `--target-protocol "${targetProtocol}" is not known`, { cure: 'give http1 or h2c' })
  }
  return httpPlan({
    ...common,
    domain: list('domain'),
    hostHeader: one('host-header') ?? 'preserve',
    targetProtocol,
    verifyTarget: options['verify-target'] === true,
    insecureTarget: options['insecure-target'] === true,
    targetCa: one('target-ca'),
    targetName: one('target-name'),
  })
}

/** The name that the owner knows it by as far as the spec says: that, or its first address; '' when only the server knows. */
export function nameOf({ kind, options }: TunnelSpec): string {
  const { name, domain, 'reserve-port': port } = options
  if (typeof name === 'string') return name
  if (typeof domain === 'object' && domain[0] !== undefined) return domain[0].toLowerCase()
  return typeof port === 'string' ? `${kind}-${port}` : ''
}

/** The same text for the same spec, in whatever order its options came. */
export function keyOf({ kind, target, options }: TunnelSpec): string {
  const sorted = Object.entries(options).sort(([left], [right]) => (left < right ? -1 : 1))
  return JSON.stringify([kind, target, sorted])
}
