// What this machine's network looks like at the moment: Node tells nobody when it changes.
import { closeSync, openSync, readSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/** `/proc/self/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask … */
const ROUTES = '/proc/self/net/route'
/** `/proc/self/net/ipv6_route`: destination length source length nexthop metric refcnt use flags device */
const ROUTES_IPV6 = '/proc/self/net/ipv6_route'

/** What is read of a table at first, and of one with thousands of routes at most: it is no machine for tunnels that has more. */
const FIRST_BYTES = 16 * 1_024
const MOST_BYTES = 1_024 * 1_024

/** Looks at the network as often as it is asked to, until it is closed. */
export class NetworkReader {
  private addresses = ''
  private readonly ipv4 = new Table(ROUTES, routesIpv4)
  private readonly ipv6 = new Table(ROUTES_IPV6, routesIpv6)

  /** What this machine's network is: a text that is another one when an address of the machine, or (on Linux) its default route, is. */
  read(): string {
    try {
      this.addresses = addressesOf(networkInterfaces())
    } catch {
      // The system does not tell, for want of a descriptor or by its rules: as before.
    }
    return this.addresses + this.ipv4.read() + this.ipv6.read()
  }

  close(): void {
    this.ipv4.close()
    this.ipv6.close()
  }
}

/**
 * A file of /proc that is read each second, and understood when it is another one than before. It stays open: that makes five calls of
 * the system one, in a process that does nothing else for months.
 */
class Table {
  private readonly understand: (lines: readonly string[]) => string[]
  /** Undefined where there is no such file. */
  private file: number | undefined
  /** As they were understood. */
  private bytes = Buffer.alloc(0)
  private buffer = Buffer.alloc(FIRST_BYTES)
  private rows = ''

  constructor(path: string, understand: (lines: readonly string[]) => string[]) {
    this.understand = understand
    this.file = opened(path)
  }

  read(): string {
    const bytes = this.whole()
    if (!bytes.equals(this.bytes)) {
      this.bytes = Buffer.from(bytes)
      this.rows = this.understand(bytes.toString('latin1').split('\n')).join('\n')
    }
    return this.rows
  }

  private whole(): Buffer {
    if (this.file === undefined) return this.buffer.subarray(0, 0)
    let length = readInto(this.file, this.buffer)
    while (length === this.buffer.length && length < MOST_BYTES) {
      this.buffer = Buffer.alloc(2 * length)
      length = readInto(this.file, this.buffer)
    }
    return this.buffer.subarray(0, length)
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file)
    this.file = undefined
  }
}

function addressesOf(interfaces: ReturnType<typeof networkInterfaces>): string {
  let text = ''
  for (const name in interfaces) {
    for (const { internal, cidr } of interfaces[name] ?? []) if (!internal) text += `${name} ${cidr}\n`
  }
  return text
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

function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    return undefined
  }
}

/** From the beginning of the file, as many bytes as it has and the buffer takes. */
function readInto(file: number, buffer: Buffer): number {
  let length = 0
  try {
    for (;;) {
      const read = readSync(file, buffer, length, buffer.length - length, length)
      if (read === 0) break
      length += read
    }
  } catch {
    // What was read before that counts.
  }
  return length
}
