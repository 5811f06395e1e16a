// The owner's own reverse proxies: which addresses are theirs, and whom they say a request came from.
import { isIP, isIPv4 } from 'node:net'
import { bareAddress } from '@pbt/proto'
import { Allowlist } from './allowlist.ts'

/** Proxies in a row at most; a request that claims more has an unknown visitor. */
export const MAX_PROXIES = 32

/** Where a request came from: an address as a socket would tell it, and a port, 0 when it is not said. */
export interface Origin {
  readonly address: string
  readonly port: number
}

/** Said to have come from somewhere that is no address: allowed only where everybody is. */
export const UNKNOWN: Origin = { address: 'unknown', port: 0 }

/** Forwarding fields (X-Forwarded-For, RFC 7239) count only when they come from one of these proxies. */
export class TrustedProxies {
  /** Of the fields that only a proxy may say, those that these are believed; in lower case. */
  readonly fields: ReadonlySet<string>
  private readonly list: Allowlist | undefined

  /** `blocks`: as an allowlist has them; none: nobody is trusted. `fields`: in lower case. Throws PbtError as an allowlist does. */
  constructor(blocks: readonly string[], fields: readonly string[] = []) {
    this.list = blocks.length === 0 ? undefined : new Allowlist(blocks)
    this.fields = new Set(fields)
  }

  trusts(address: string): boolean {
    return this.list?.allows(address) === true
  }

  /**
   * Who is behind a trusted proxy: of the hops that it names, the one nearest to this machine first being last, the
   * last that is no trusted proxy. What comes before it may be forged. Undefined when no hop is named.
   */
  originOf(hops: readonly string[]): Origin | undefined {
    let farthest: Origin | undefined
    for (let index = hops.length - 1; index >= 0; index--) {
      if (hops.length - index > MAX_PROXIES) return UNKNOWN
      const hop = hopOf(hops[index] ?? '')
      if (hop === undefined) return UNKNOWN
      if (!this.trusts(hop.address)) return hop
      farthest = hop
    }
    return farthest
  }
}

const MAX_PORT = 65_535
/** `[2001:db8::1]`, with a port or without; and IPv4 with a port. */
const IN_BRACKETS = /^\[([0-9a-f:.]{2,45})\](?::(\d{1,5}))?$/i
const IPV4_WITH_PORT = /^([\d.]{7,15}):(\d{1,5})$/

/** One hop as X-Forwarded-For or Forwarded has it; undefined for what is no address. A zone is none of ours. */
function hopOf(text: string): Origin | undefined {
  const match = IN_BRACKETS.exec(text) ?? IPV4_WITH_PORT.exec(text)
  const address = match?.[1] ?? text
  const port = Number(match?.[2] ?? 0)
  if (address.includes('%') || isIP(address) === 0 || port > MAX_PORT) return undefined
  if (text.startsWith('[') && isIPv4(address)) return undefined
  return { address: bareAddress(address), port }
}
