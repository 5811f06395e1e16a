// The addresses that are remembered, whatever their kind: which tunnel has each, for which target, and who may visit it.
import type { AddressRecords, KeptAddress, KeptList } from '../owner/addresses.ts'
import type { AddressStore, StoredAddress } from '../relay/addresses.ts'
import type { StoredAllowlist } from '../relay/allowlists.ts'
import type { TunnelRecord } from '../relay/book.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'

/** What is read of an address for its owner. */
const WHOLE = { tunnel: { select: { name: true, allow: true } }, entries: { orderBy: { id: 'asc' } } } as const
type Row = Prisma.AddressGetPayload<{ include: typeof WHOLE }>

export class AddressTable implements AddressStore, AddressRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  // For the relay.

  /** Every address, the one used last at the end. */
  async load(): Promise<StoredAddress[]> {
    const rows = await this.prisma.address.findMany({
      include: { tunnel: { select: { name: true } } },
      orderBy: [{ lastUsedAt: 'asc' }, { id: 'desc' }],
    })
    return rows.map(({ address, tunnel, machineId, target, isMapped, isExpected }) => {
      const affinity = target === '' ? undefined : { machineId, target, kind: kindOf(address) }
      return { address, tunnel: tunnel?.name ?? '', affinity, isMapped, isExpected }
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
      include: { entries: { orderBy: { id: 'asc' } } },
    })
    return rows.map(({ address, access, entries }) => ({
      address,
      access: access === 'everybody' ? access : 'listed',
      blocks: entries.map(({ block }) => block),
    }))
  }

  // For the owner.

  /** Every address with what is known of it, by its text. */
  async list(): Promise<KeptAddress[]> {
    return (await this.prisma.address.findMany({ include: WHOLE, orderBy: { address: 'asc' } })).map(kept)
  }

  /** One of them; undefined when there is no such address. */
  async find(address: string): Promise<KeptAddress | undefined> {
    const row = await this.prisma.address.findUnique({ where: { address }, include: WHOLE })
    return row === null ? undefined : kept(row)
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
      const before = await prisma.address.findUnique({ where: { address }, include: WHOLE })
      const { access, blocks } = change(before === null ? undefined : kept(before))
      const { id } = await prisma.address.upsert({
        where: { address },
        create: { address, access },
        update: { access },
      })
      // Those that stay keep their note, their end and their place.
      await prisma.allowlistEntry.deleteMany({ where: { addressId: id, block: { notIn: [...blocks] } } })
      const present = new Set(before?.entries.map(({ block }) => block))
      const added = blocks.filter(block => !present.has(block)).map(block => ({ addressId: id, block }))
      if (added.length > 0) await prisma.allowlistEntry.createMany({ data: added })
      return kept(await prisma.address.findUniqueOrThrow({ where: { id }, include: WHOLE }))
    })
  }
}

function kept({ address, tunnel, access, entries, target, isExpected, note, createdAt, lastUsedAt }: Row): KeptAddress {
  return {
    address,
    tunnel: tunnel?.name ?? '',
    target,
    isExpected,
    access: access === 'everybody' || access === 'listed' ? access : 'client',
    blocks: entries.map(({ block }) => block),
    clientBlocks: wordsIn(tunnel?.allow ?? ''),
    note,
    createdAt,
    lastUsedAt: lastUsedAt ?? undefined,
  }
}

function wordsIn(text: string): string[] {
  return text.split(' ').filter(word => word !== '')
}

function kindOf(address: string): string {
  return /^(tcp|udp):/.exec(address)?.[1] ?? 'http'
}
