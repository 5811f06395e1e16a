// The allowlists that are remembered, each for one tunnel: a target of a machine.
import type { StoredAllowlist } from '../relay/allowlists.ts'
import type { PrismaClient } from './generated/client.ts'

/** One of the addresses of a tunnel. */
export type Address = { readonly label: string } | { readonly protocol: string; readonly number: number }

/** A tunnel with the list that is set for it. */
export interface ListedTunnel {
  /** `app`, `tcp:20022`. */
  readonly addresses: readonly string[]
  /** Undefined: none is set. */
  readonly entries: readonly string[] | undefined
}

const WITH_ADDRESSES = { subdomains: true, ports: true, allowlist: true } as const

export class AllowlistTable {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every list that is set. */
  async allowlists(): Promise<StoredAllowlist[]> {
    const rows = await this.prisma.allowlist.findMany({ include: { tunnel: true } })
    return rows.map(({ entries, tunnel: { machineId, kind, target } }) => {
      return { machineId, kind, target, entries: listIn(entries) }
    })
  }

  /** The tunnels that have a list, with their addresses. */
  async listed(): Promise<ListedTunnel[]> {
    const where = { allowlist: { isNot: null } }
    const rows = await this.prisma.tunnel.findMany({ where, include: WITH_ADDRESSES, orderBy: { id: 'asc' } })
    return rows.map(told)
  }

  /** The tunnel that an address is reserved for. */
  async find(address: Address): Promise<ListedTunnel | undefined> {
    const row = await this.prisma.tunnel.findFirst({ where: whereOf(address), include: WITH_ADDRESSES })
    return row === null ? undefined : told(row)
  }

  /**
   * Sets the list of the tunnel that the address is reserved for, or takes it away when `entries` is undefined; it is on
   * disk when this resolves. Resolves with the tunnel, undefined when there is none and nothing has changed.
   */
  async set(address: Address, entries: readonly string[] | undefined): Promise<ListedTunnel | undefined> {
    return await this.prisma.$transaction(async prisma => {
      const tunnel = await prisma.tunnel.findFirst({ where: whereOf(address) })
      if (tunnel === null) return undefined
      const where = { tunnelId: tunnel.id }
      if (entries === undefined) await prisma.allowlist.deleteMany({ where })
      else {
        const list = { entries: entries.join(' '), changedAt: new Date() }
        await prisma.allowlist.upsert({ where, create: { ...where, ...list }, update: list })
      }
      return told(await prisma.tunnel.findUniqueOrThrow({ where: { id: tunnel.id }, include: WITH_ADDRESSES }))
    })
  }
}

function whereOf(address: Address) {
  return 'label' in address ? { subdomains: { some: address } } : { ports: { some: address } }
}

function told(row: {
  subdomains: { label: string }[]
  ports: { protocol: string; number: number }[]
  allowlist: { entries: string } | null
}): ListedTunnel {
  const ports = row.ports.map(({ protocol, number }) => `${protocol}:${number}`)
  return {
    addresses: [...row.subdomains.map(({ label }) => label), ...ports],
    entries: row.allowlist === null ? undefined : listIn(row.allowlist.entries),
  }
}

function listIn(entries: string): string[] {
  return entries.split(' ').filter(entry => entry !== '')
}
