// IP addresses and blocks of them as text: those of visitors, and what allowlists name. Arithmetic alone, without the system's parser.

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const HEX_GROUP = /^[0-9a-f]{1,4}$/i
/** IPv4 within IPv6 (RFC 4291, 2.5.5.2), as sockets that listen on both show it. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
const MAPPED_PREFIX = 96
const GROUPS = 8
const OCTETS = 4

/** IPv4 within IPv6 as IPv4, and no zone. */
export function bareAddress(address: string): string {
  const [bare = ''] = address.split('%')
  return MAPPED.exec(bare)?.[1] ?? bare
}

/** The four octets of an IPv4 address, IPv4 within IPv6 included, or the eight groups of an IPv6 address; undefined for anything else. */
export function parseAddress(address: string): readonly number[] | undefined {
  const bare = bareAddress(address)
  return bare.includes(':') ? groupsOf(bare) : octetsOf(bare)
}

/** Whether an address is one of the internet: not of loopback, link-local, private or shared networks (RFC 1918, 3927, 4193, 4291, 6598). */
export function isPublicAddress(address: string): boolean {
  const parts = parseAddress(address)
  if (parts === undefined) return false
  const [first = 0, second = 0] = parts
  if (parts.length === GROUPS) {
    const isLow = parts.slice(0, GROUPS - 1).every(part => part === 0)
    return !isLow && (first & 0xfe00) !== 0xfc00 && (first & 0xffc0) !== 0xfe80
  }
  if (first === 0 || first === 10 || first === 127 || first >= 224) return false
  if (first === 172) return second < 16 || second > 31
  if (first === 100) return second < 64 || second > 127
  return !(first === 192 && second === 168) && !(first === 169 && second === 254)
}

/** A block of addresses: all that begin with the same bits. */
export interface Block {
  /** As parseAddress has it. */
  readonly address: readonly number[]
  /** Bits that count, from the first: at most 32 or 128. */
  readonly prefix: number
}

/** `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`; or why the text is none of these, to be read after a colon. */
export function parseBlock(text: string): Block | string {
  const [written = '', bits, ...more] = text.split('/')
  const address = parseAddress(written)
  if (address === undefined || more.length > 0) return 'it is not an IP address'
  const isV4 = address.length === OCTETS
  const most = isV4 ? 32 : 128
  if (bits === undefined) return { address, prefix: most }
  // The prefix of a mapped address counts from the beginning of the IPv6 address.
  const shift = isV4 && written.includes(':') ? MAPPED_PREFIX : 0
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) - shift : -1
  if (prefix < 0 || prefix > most) return `its prefix is not between ${shift} and ${most + shift}`
  return { address, prefix }
}

function octetsOf(text: string): number[] | undefined {
  return IPV4.test(text) ? text.split('.').map(Number) : undefined
}

function groupsOf(text: string): number[] | undefined {
  const [head = '', tail, ...more] = text.split('::')
  const first = parseGroups(head)
  const last = tail === undefined ? [] : parseGroups(tail)
  if (first === undefined || last === undefined || more.length > 0) return undefined
  // Dotted IPv4 stands at the end alone.
  if (tail !== undefined && head.includes('.')) return undefined
  const missing = GROUPS - first.length - last.length
  // "::" stands for one group at least.
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  return [...first, ...Array<number>(missing).fill(0), ...last]
}

/** Groups between colons; dotted IPv4 at the end is two of them. */
function parseGroups(text: string): number[] | undefined {
  const groups: number[] = []
  if (text === '') return groups
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) groups.push(Number.parseInt(part, 16))
    else {
      const octets = index === parts.length - 1 ? octetsOf(part) : undefined
      if (octets === undefined) return undefined
      const [a = 0, b = 0, c = 0, d = 0] = octets
      groups.push(a * 256 + b, c * 256 + d)
    }
  }
  return groups
}
