// The addresses that are remembered, whatever their kind: which tunnel has each, for which target, and who may visit it.
import type { AddressRecords, KeptAddress, KeptList } from '../owner/addresses.ts'
import type { AddressStore, StoredAddress } from '../relay/addresses.ts'
import type { StoredAllowlist } from '../relay/allowlists.ts'
import type { TunnelRecord } from '../relay/book.ts'
import type { Address, PrismaClient, Tunnel } from './generated/client.ts'

/** So many values stand in one statement: SQLite takes 999 in its older builds. */
const VALUES = 500

export class AddressTable implements AddressStore, AddressRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  // For the relay.

  /** Every address, the one used last at the end. */
  async load(): Promise<StoredAddress[]> {
    const names = new Map((await this.tunnels()).map(({ id, name }) => [id, name]))
    const rows = await this.prisma.address.findMany({ orderBy: [{ lastUsedAt: 'asc' }, { id: 'desc' }] })
    return rows.map(({ address, tunnelId, machineId, target, isMapped, isExpected }) => {
      const affinity = target === '' ? undefined : { machineId, target, kind: kindOf(address) }
      return { address, tunnel: names.get(tunnelId ?? 0) ?? '', affinity, isMapped, isExpected }
    })
  }

  /** The addresses belong to this tunnel, whose client is there, when this resolves; all or none. */
  async claim({ name, allow, ...owner }: TunnelRecord, addresses: readonly string[]): Promise<void> {
    const { machineId, target } = owner
    const lastOnlineAt = new Date()
    const known = { ...owner, allow: allow.join(' '), lastOnlineAt }
    const use = { isExpected: true, machineId, target, lastUsedAt: lastOnlineAt, tunnel: { connect: { name } } }
    await this.prisma.$transaction([
      this.prisma.tunnel.upsert({ where: { name }, create: { name, ...known }, update: known }),
      ...addresses.map(address =>
        this.prisma.address.upsert({ where: { address }, create: { address, ...use }, update: use }),
      ),
    ])
  }

  /** Their client has gone for good: nobody is expected back after a restart. */
  async setUnexpected(addresses: readonly string[]): Promise<void> {
    await this.prisma.address.updateMany({ where: { address: { in: [...addresses] } }, data: { isExpected: false } })
  }

  /** The allowlists that are set for addresses, by the addresses' texts. */
  async allowlists(): Promise<StoredAllowlist[]> {
    const rows = await this.prisma.address.findMany({
      where: { access: { not: 'client' } },
      select: { id: true, address: true, access: true },
      orderBy: { address: 'asc' },
    })
    const blocks = await this.blocks()
    return rows.map(({ id, address, access }) => ({
      address,
      access: access === 'everybody' ? access : 'listed',
      blocks: blocks.get(id) ?? [],
    }))
  }

  // For the owner.

  /** Every address with what is known of it, by its text. */
  async list(): Promise<KeptAddress[]> {
    const tunnels = new Map((await this.tunnels()).map(tunnel => [tunnel.id, tunnel]))
    const blocks = await this.blocks()
    const rows = await this.prisma.address.findMany({ orderBy: { address: 'asc' } })
    return rows.map(row => kept(row, tunnels.get(row.tunnelId ?? 0), blocks.get(row.id) ?? []))
  }

  /** One of them; undefined when there is no such address. */
  async find(address: string): Promise<KeptAddress | undefined> {
    return (await found(this.prisma, address))?.kept
  }

  /** Keeps an address that no tunnel has used; false, and nothing has changed, when it is kept already. */
  async add(address: string): Promise<boolean> {
    // One statement, so that of two at once only one succeeds.
    const added = await this.prisma.$executeRaw`
      INSERT OR IGNORE INTO addresses (address, createdAt) VALUES (${address}, ${new Date()})`
    return added === 1
  }

  /** Forgets the address with its allowlist; false when there is no such address. */
  async remove(address: string): Promise<boolean> {
    return (await this.prisma.address.deleteMany({ where: { address } })).count === 1
  }

  /**
   * Sets who may visit the address, by what `change` makes of what is known of it; an address that is not known is kept from then on. On disk
   * when this resolves. What `change` throws is thrown on, and then nothing has changed.
   */
  async setList(address: string, change: (before: KeptAddress | undefined) => KeptList): Promise<KeptAddress> {
    return await this.prisma.$transaction(async prisma => {
      const before = await found(prisma, address)
      const { access, blocks } = change(before?.kept)
      const where = { address }
      const { id } = await prisma.address.upsert({ where, create: { address, access }, update: { access } })
      // Those that stay keep their note, their end and their place.
      const wanted = new Set(blocks)
      const gone = before?.entries.filter(({ block }) => !wanted.has(block)) ?? []
      for (const some of inPortions(gone)) {
        await prisma.allowlistEntry.deleteMany({ where: { id: { in: some.map(entry => entry.id) } } })
      }
      const present = new Set(before?.entries.map(({ block }) => block))
      const added = blocks.filter(block => !present.has(block)).map(block => ({ addressId: id, block }))
      for (const data of inPortions(added)) await prisma.allowlistEntry.createMany({ data })
      const after = await found(prisma, address)
      if (after === undefined) throw new Error(`the address ${address} was written and is not there`)
      return after.kept
    })
  }

  /** Prisma would ask for each relation with all ids in one statement, which SQLite does not take. */
  private async tunnels() {
    return await this.prisma.tunnel.findMany({ select: { id: true, name: true, allow: true } })
  }

  /** By the address's id. */
  private async blocks(): Promise<Map<number, string[]>> {
    const byAddress = new Map<number, string[]>()
    const entries = await this.prisma.allowlistEntry.findMany({
      select: { addressId: true, block: true },
      orderBy: { id: 'asc' },
    })
    for (const { addressId, block } of entries) {
      const blocks = byAddress.get(addressId) ?? []
      byAddress.set(addressId, blocks)
      blocks.push(block)
    }
    return byAddress
  }
}

async function found(prisma: Pick<PrismaClient, 'address'>, address: string) {
  const row = await prisma.address.findUnique({
    where: { address },
    include: { tunnel: true, entries: { orderBy: { id: 'asc' } } },
  })
  if (row === null) return undefined
  const blocks = row.entries.map(({ block }) => block)
  return { entries: row.entries, kept: kept(row, row.tunnel ?? undefined, blocks) }
}

function kept(row: Address, tunnel: Pick<Tunnel, 'name' | 'allow'> | undefined, blocks: string[]): KeptAddress {
  const { address, access, target, isExpected, note, createdAt, lastUsedAt } = row
  return {
    address,
    tunnel: tunnel?.name ?? '',
    target,
    isExpected,
    access: access === 'everybody' || access === 'listed' ? access : 'client',
    blocks,
    clientBlocks: wordsIn(tunnel?.allow ?? ''),
    note,
    createdAt,
    lastUsedAt: lastUsedAt ?? undefined,
  }
}

function* inPortions<T>(all: readonly T[]): Generator<T[]> {
  for (let from = 0; from < all.length; from += VALUES) yield all.slice(from, from + VALUES)
}

function wordsIn(text: string): string[] {
  return text.split(' ').filter(word => word !== '')
}

function kindOf(address: string): string {
  return /^(tcp|udp):/.exec(address)?.[1] ?? 'http'
}
