// DNS: whether the base domain, and every name below it, lead to this machine.
import { isIPv6 } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { systemCodeOf } from '../failure.ts'
import { type Finding, failed, notChecked, ok } from './finding.ts'

/** What is looked at, and by what. */
export interface NameOptions {
  readonly baseDomain: string
  readonly publicAddress: readonly string[]
  /** The addresses of a name, of both families. Rejects with the name service's error. */
  readonly resolve: (host: string) => Promise<readonly string[]>
  readonly interfaces?: NodeJS.Dict<NetworkInterfaceInfo[]>
}

/** Nobody has made a record for it by hand: only a wildcard answers. */
const PROBE = 'pbt-doctor-looks-for-the-wildcard'
const PRIVATE =
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|127\.|169\.254\.|f[cd]|fe80|::1$)/i

/** Never rejects. */
export async function checkNames(options: NameOptions): Promise<readonly Finding[]> {
  const { baseDomain } = options
  if (baseDomain === 'localhost') return [ok('DNS', 'localhost needs none')]
  const own = ownAddresses(options)
  const names = [
    { step: `DNS of ${baseDomain}`, host: baseDomain, record: `${baseDomain}.` },
    { step: `DNS of *.${baseDomain}`, host: `${PROBE}.${baseDomain}`, record: `*.${baseDomain}.` },
  ]
  return await Promise.all(names.map(each => oneName(each, own, options)))
}

async function oneName(
  { step, host, record }: { step: string; host: string; record: string },
  own: readonly string[],
  { resolve, publicAddress }: NameOptions,
): Promise<Finding> {
  const records = (addresses: readonly string[]) =>
    addresses.map(each => `${record} ${isIPv6(each) ? 'AAAA' : 'A'} ${each}`).join('; ')
  const example = own.length > 0 ? records(own) : `${record} A <the address of this VPS>`
  let found: readonly string[]
  try {
    found = (await resolve(host)).map(normal)
  } catch (error) {
    const code = systemCodeOf(error)
    if (code === 'ENOTFOUND' || code === 'ENODATA')
      return failed(step, `there is no record ${record}`, `create ${example}`)
    return notChecked(
      step,
      `the name service does not answer (${code || String(error)})`,
      'look at /etc/resolv.conf and the network',
    )
  }
  const where = found.join(', ')
  if (own.length === 0) {
    return notChecked(
      step,
      `it leads to ${where}; this machine has no public address of its own`,
      'set public-address to compare',
    )
  }
  const wrong = found.filter(each => !own.includes(each))
  if (wrong.length > 0) {
    return failed(
      step,
      `it leads to ${wrong.join(', ')}, and this machine is ${own.join(', ')}`,
      `change it: ${example}`,
    )
  }
  const missing = publicAddress.map(normal).filter(each => !found.includes(each))
  if (missing.length > 0)
    return failed(step, `it leads to ${where}, and not to ${missing.join(', ')}`, `create ${records(missing)}`)
  return ok(step, `it leads here, to ${where}`)
}

/** Those that the settings name, else those of this machine that are no private ones. */
function ownAddresses({ publicAddress, interfaces = networkInterfaces() }: NameOptions): string[] {
  if (publicAddress.length > 0) return publicAddress.map(normal)
  const all = Object.values(interfaces).flatMap(each => each ?? [])
  return all
    .filter(({ internal, address }) => !internal && !PRIVATE.test(address))
    .map(({ address }) => normal(address))
}

/** One form of each address. */
function normal(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}
