// What this machine's network looks like at the moment: Node tells nobody when it changes.
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/** `/proc/self/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask … */
const ROUTES = '/proc/self/net/route'
/** `/proc/self/net/ipv6_route`: destination length source length nexthop metric refcnt use flags device */
const ROUTES_IPV6 = '/proc/self/net/ipv6_route'

/**
 * What this machine's network is, each time it is asked: a text that is another one when an address of the machine, or (on Linux) its
 * default route, is another one.
 */
export function networkReader(): () => string {
  const [ipv4, ipv6] = [new Table(ROUTES, routesIpv4), new Table(ROUTES_IPV6, routesIpv6)]
  return () => {
    const addresses = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
      all.filter(({ internal }) => !internal).map(({ cidr }) => `${name} ${cidr}`),
    )
    return [...addresses.sort(), ...ipv4.read(), ...ipv6.read()].join('\n')
  }
}

/** A file of /proc that is read each second, and understood when it is another one than before. */
class Table {
  private readonly path: string
  private readonly understand: (lines: readonly string[]) => string[]
  private text = ''
  private rows: readonly string[] = []

  constructor(path: string, understand: (lines: readonly string[]) => string[]) {
    this.path = path
    this.understand = understand
  }

  /** None where there is no such file. */
  read(): readonly string[] {
    const text = textOf(this.path)
    if (text !== this.text) {
      this.text = text
      this.rows = this.understand(text.split('\n'))
    }
    return this.rows
  }
}

function routesIpv4(lines: readonly string[]): string[] {
  const routes = fieldsOf(lines, /^\S+\t0+\t/).filter(([, , , , , , , mask]) => isZero(mask))
  return routes.map(([device, , gateway, , , , metric]) => `${device} ${gateway} ${metric}`)
}

function routesIpv6(lines: readonly string[]): string[] {
  const routes = fieldsOf(lines, /^0+ 00 /).filter(row => row[9] !== 'lo')
  return routes.map(([, , , , gateway, metric, , , , device]) => `${device} ${gateway} ${metric}`)
}

function isZero(field: string | undefined): boolean {
  return field !== undefined && /^0+$/.test(field)
}

/** Of the lines that begin so. */
function fieldsOf(lines: readonly string[], beginning: RegExp): string[][] {
  return lines.filter(line => beginning.test(line)).map(line => line.trim().split(/\s+/))
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
