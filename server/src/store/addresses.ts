// The addresses that are remembered, whatever their kind: which tunnel has each, for which target, and who may visit it.
import type { AddressRecords, KeptAddress, KeptList, ListEntry } from '../owner/addresses.ts'
import type { AddressStore, StoredAddress } from '../relay/addresses.ts'
import type { StoredAllowlist } from '../relay/allowlists.ts'
import type { TunnelRecord } from '../relay/book.ts'
import type { Address, AllowlistEntry, PrismaClient, Tunnel } from './generated/client.ts'

/** So many values stand in one statement: SQLite takes 999 in its older builds. */
const VALUES = 500

/** All methods reject with what the database says; nothing is kept in memory. */
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
  async claim({ name, allow, client, ...owner }: TunnelRecord, addresses: readonly string[]): Promise<void> {
    const { machineId, target } = owner
    const lastOnlineAt = new Date()
    const known = {
      ...owner,
      ...(client && { clientId: client.id, clientLabel: client.label }),
      allow: allow.join(' '),
      lastOnlineAt,
    }
    const use = { isExpected: true, machineId, target, lastUsedAt: lastOnlineAt, tunnel: { connect: { name } } }
    await this.prisma.$transaction([
      this.prisma.tunnel.upsert({ where: { name }, create: { name, ...known }, update: known }),
      ...addresses.map(address =>
        this.prisma.address.upsert({ where: { address }, create: { address, ...use }, update: use }),
      ),
    ])
  }

  /** Their client has gone permanently: no client is expected back after a restart. */
  async setUnexpected(addresses: readonly string[]): Promise<void> {
    const where = { address: { in: [...addresses] } }
    await this.prisma.$transaction([
      this.prisma.address.updateMany({ where, data: { isExpected: false } }),
      this.prisma.tunnel.updateMany({ where: { addresses: { some: where } }, data: { lastOnlineAt: new Date() } }),
    ])
  }

  /** The allowlists that are set for addresses, by the addresses' texts. */
  async allowlists(): Promise<StoredAllowlist[]> {
    const rows = await this.prisma.address.findMany({
      where: { access: { not: 'client' } },
      select: { id: true, address: true, access: true },
      orderBy: { address: 'asc' },
    })
    const entries = await this.entries()
    return rows.map(({ id, address, access }) => ({
      address,
      access: access === 'everybody' ? access : 'listed',
      blocks: (entries.get(id) ?? []).map(({ block }) => block),
    }))
  }

  // For the owner.

  /** Every address with what is known of it, by its text. */
  async list(): Promise<KeptAddress[]> {
    const tunnels = new Map((await this.tunnels()).map(tunnel => [tunnel.id, tunnel]))
    const entries = await this.entries()
    const rows = await this.prisma.address.findMany({ orderBy: { address: 'asc' } })
    return rows.map(row => kept(row, tunnels.get(row.tunnelId ?? 0), entries.get(row.id) ?? []))
  }

  /** One of them; undefined when there is no such address. */
  async find(address: string): Promise<KeptAddress | undefined> {
    return (await found(this.prisma, address))?.kept
  }

  /** Keeps addresses that no tunnel has used; false, and nothing has changed, when one is kept already. */
  async add(addresses: readonly string[], note: string): Promise<boolean> {
    return await this.prisma.$transaction(async prisma => {
      if ((await prisma.address.count({ where: { address: { in: [...addresses] } } })) > 0) return false
      await prisma.address.createMany({ data: addresses.map(address => ({ address, note })) })
      return true
    })
  }

  /** False when there is no such address. */
  async setNote(address: string, note: string): Promise<boolean> {
    return (await this.prisma.address.updateMany({ where: { address }, data: { note } })).count === 1
  }

  /** Gives the address to a tunnel, '' for none any more; one that is not known is kept from then on. False when there is no such tunnel. */
  async map(address: string, name: string): Promise<boolean> {
    return await this.prisma.$transaction(async prisma => {
      const where = { address }
      if (name === '') {
        // It is reserved from now on, whichever tunnel had it.
        const data = { isMapped: false, tunnelId: null, machineId: '', target: '' }
        await prisma.address.upsert({ where, create: { address, ...data }, update: data })
        return true
      }
      const tunnel = await prisma.tunnel.findUnique({ where: { name } })
      if (tunnel === null) return false
      const { id: tunnelId, machineId, target } = tunnel
      const data = { isMapped: true, tunnelId, machineId, target }
      await prisma.address.upsert({ where, create: { address, ...data }, update: data })
      return true
    })
  }

  /** Of a tunnel that there is or was: http, tcp or udp. */
  async kindOf(name: string): Promise<string | undefined> {
    return (await this.prisma.tunnel.findUnique({ where: { name } }))?.kind
  }

  /** When the next entry of an allowlist ends; undefined when none does. */
  async nextEnd(): Promise<Date | undefined> {
    const row = await this.prisma.allowlistEntry.findFirst({
      where: { endsAt: { gt: new Date() } },
      orderBy: { endsAt: 'asc' },
    })
    return row?.endsAt ?? undefined
  }

  /** Forgets the address with its allowlist; false when there is no such address. */
  async remove(address: string): Promise<boolean> {
    return (await this.prisma.address.deleteMany({ where: { address } })).count === 1
  }

  /** Forgets the entries of allowlists that have ended, and tells which: each once, whichever process asks. */
  async takeEnded(): Promise<{ address: string; block: string }[]> {
    const rows = await this.prisma.allowlistEntry.findMany({
      where: { endsAt: { lte: new Date() } },
      include: { address: true },
      orderBy: { endsAt: 'asc' },
      take: VALUES,
    })
    const taken: { address: string; block: string }[] = []
    for (const { id, block, address } of rows) {
      const { count } = await this.prisma.allowlistEntry.deleteMany({ where: { id } })
      if (count === 1) taken.push({ address: address.address, block })
    }
    return taken
  }

  /**
   * Sets who may visit the address, by what `change` makes of what is known of it; an address that is not known is kept from then on. On disk
   * when this resolves. What `change` throws is thrown on, and then nothing has changed.
   */
  async setList(address: string, change: (before: KeptAddress | undefined) => KeptList): Promise<KeptAddress> {
    return await this.prisma.$transaction(async prisma => {
      const before = await found(prisma, address)
      const { access, entries } = change(before?.kept)
      const where = { address }
      const { id } = await prisma.address.upsert({ where, create: { address, access }, update: { access } })
      await prisma.allowlistEntry.deleteMany({ where: { addressId: id, endsAt: { lte: new Date() } } })
      // Those that stay keep their place.
      const wanted = new Map(entries.map(entry => [entry.block, entry]))
      const gone = before?.entries.filter(({ block }) => !wanted.has(block)) ?? []
      for (const some of inPortions(gone)) {
        await prisma.allowlistEntry.deleteMany({ where: { id: { in: some.map(entry => entry.id) } } })
      }
      const present = new Map(before?.entries.map(entry => [entry.block, entry]))
      for (const { block, note, endsAt = null } of entries) {
        const known = present.get(block)
        if (known === undefined || (known.note === note && known.endsAt?.getTime() === endsAt?.getTime())) continue
        await prisma.allowlistEntry.update({ where: { id: known.id }, data: { note, endsAt } })
      }
      const added = entries
        .filter(({ block }) => !present.has(block))
        .map(({ block, note, endsAt = null }) => ({ addressId: id, block, note, endsAt }))
      for (const data of inPortions(added)) await prisma.allowlistEntry.createMany({ data })
      const after = await found(prisma, address)
      if (after === undefined) throw new Error(`the address ${address} was written and is not there`)
      return after.kept
    })
  }

  /** Prisma would ask for each relation with all ids in one statement, which SQLite does not take. */
  private async tunnels() {
    return await this.prisma.tunnel.findMany({ select: { id: true, name: true, allow: true, lastOnlineAt: true } })
  }

  /** By the address's id. */
  private async entries(): Promise<Map<number, ListEntry[]>> {
    const byAddress = new Map<number, ListEntry[]>()
    for (const row of await this.prisma.allowlistEntry.findMany({ where: hasNotEnded(), orderBy: { id: 'asc' } })) {
      const entries = byAddress.get(row.addressId) ?? []
      byAddress.set(row.addressId, entries)
      entries.push(entryOf(row))
    }
    return byAddress
  }
}

async function found(prisma: Pick<PrismaClient, 'address'>, address: string) {
  const row = await prisma.address.findUnique({
    where: { address },
    include: { tunnel: true, entries: { where: hasNotEnded(), orderBy: { id: 'asc' } } },
  })
  if (row === null) return undefined
  return { entries: row.entries, kept: kept(row, row.tunnel ?? undefined, row.entries.map(entryOf)) }
}

/** Entries that have ended are as if they were not there, until `takeEnded` deletes them. */
function hasNotEnded() {
  return { OR: [{ endsAt: null }, { endsAt: { gt: new Date() } }] }
}

function entryOf({ block, note, endsAt }: AllowlistEntry): ListEntry {
  return { block, note, endsAt: endsAt ?? undefined }
}

function kept(
  row: Address,
  tunnel: Pick<Tunnel, 'name' | 'allow' | 'lastOnlineAt'> | undefined,
  entries: ListEntry[],
): KeptAddress {
  const { address, access, target, isExpected, isMapped, note, createdAt, lastUsedAt } = row
  return {
    address,
    tunnel: tunnel?.name ?? '',
    isMapped,
    target,
    isExpected,
    access: access === 'everybody' || access === 'listed' ? access : 'client',
    entries,
    clientBlocks: wordsIn(tunnel?.allow ?? ''),
    note,
    createdAt,
    // When it was asked for last, and until when its tunnel had it.
    lastUsedAt: later(lastUsedAt, tunnel?.lastOnlineAt),
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

/** Undefined where the first one is null: it was never asked for. */
function later(one: Date | null, other: Date | undefined): Date | undefined {
  if (one === null) return undefined
  return other !== undefined && other > one ? other : one
}
