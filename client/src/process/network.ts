// What this machine's network looks like at the moment: Node tells nobody when it changes.
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/** `/proc/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask … */
const ROUTES = '/proc/net/route'
/** `/proc/net/ipv6_route`: destination length source length nexthop metric refcnt use flags device */
const ROUTES_IPV6 = '/proc/net/ipv6_route'

/** A text that is another one when an address of the machine, or (on Linux) its default route, is another one. */
export function networkNow(): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
    all.filter(({ internal }) => !internal).map(({ cidr }) => `${name} ${cidr}`),
  )
  return [...addresses.sort(), ...defaultRoutes()].join('\n')
}

function defaultRoutes(): string[] {
  const ipv4 = rows(ROUTES, /^\S+\t0+\t/).filter(([, , , , , , , mask]) => isZero(mask))
  const ipv6 = rows(ROUTES_IPV6, /^0+ 00 /).filter(row => row[9] !== 'lo')
  return [
    ...ipv4.map(([device, , gateway, , , , metric]) => `${device} ${gateway} ${metric}`),
    ...ipv6.map(([, , , , gateway, metric, , , , device]) => `${device} ${gateway} ${metric}`),
  ]
}

function isZero(field: string | undefined): boolean {
  return field !== undefined && /^0+$/.test(field)
}

/** Those that begin so; none where there is no such file. */
function rows(path: string, beginning: RegExp): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter(line => beginning.test(line))
      .map(line => line.trim().split(/\s+/))
  } catch {
    return []
  }
}
