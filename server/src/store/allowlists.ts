// The allowlists that are remembered, each for one address, whichever tunnel has it.
import type { StoredAllowlist } from '../relay/allowlists.ts'
import type { PrismaClient } from './generated/client.ts'

/** An address with the list that is set for it. */
export interface ListedAddress {
  /** `app`, `tcp:20022`, `app.mine.uk`. */
  readonly address: string
  /** Undefined: none is set. */
  readonly entries: readonly string[] | undefined
}

export class AllowlistTable {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every list that is set, in the order of the addresses. */
  async allowlists(): Promise<StoredAllowlist[]> {
    const rows = await this.prisma.allowlist.findMany({ orderBy: { address: 'asc' } })
    return rows.map(({ address, entries }) => ({ address, entries: listIn(entries) }))
  }

  /** The address with its list; undefined when there is no such address. */
  async find(address: string): Promise<ListedAddress | undefined> {
    const row = await this.prisma.allowlist.findUnique({ where: { address } })
    if (row !== null) return { address, entries: listIn(row.entries) }
    return (await isAddress(this.prisma, address)) ? { address, entries: undefined } : undefined
  }

  /**
   * Sets the list of the address, or takes it away when `entries` is undefined; it is on disk when this resolves. Resolves
   * with the address and its list, undefined when there is no such address and nothing has changed.
   */
  async set(address: string, entries: readonly string[] | undefined): Promise<ListedAddress | undefined> {
    return await this.prisma.$transaction(async prisma => {
      const where = { address }
      // A list that is there can always be changed and taken away.
      const isKnown = (await prisma.allowlist.count({ where })) > 0 || (await isAddress(prisma, address))
      if (!isKnown) return undefined
      if (entries === undefined) await prisma.allowlist.deleteMany({ where })
      else {
        const list = { entries: entries.join(' '), changedAt: new Date() }
        await prisma.allowlist.upsert({ where, create: { address, ...list }, update: list })
      }
      return { address, entries }
    })
  }
}

/** Whether the label or the port is reserved. Custom domains are not remembered, each may be one. */
async function isAddress(prisma: Pick<PrismaClient, 'subdomain' | 'port'>, address: string): Promise<boolean> {
  const [protocol = '', number] = address.split(':')
  if (number !== undefined) return (await prisma.port.count({ where: { protocol, number: Number(number) } })) > 0
  return address.includes('.') || (await prisma.subdomain.count({ where: { label: address } })) > 0
}

function listIn(entries: string): string[] {
  return entries.split(' ').filter(entry => entry !== '')
}
