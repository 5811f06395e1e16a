// The addresses that are remembered, whatever their kind: which tunnel has each, for which target, and whether its client was there.
import type { AddressStore, StoredAddress } from '../relay/addresses.ts'
import type { TunnelRecord } from '../relay/book.ts'
import type { PrismaClient } from './generated/client.ts'

export class AddressTable implements AddressStore {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

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
  async claim({ name, kind, machineId, target }: TunnelRecord, addresses: readonly string[]): Promise<void> {
    const lastOnlineAt = new Date()
    const tunnel = { connect: { name } }
    const use = { isExpected: true, machineId, target, lastUsedAt: lastOnlineAt, tunnel }
    await this.prisma.$transaction([
      this.prisma.tunnel.upsert({
        where: { name },
        create: { name, kind, machineId, target, lastOnlineAt },
        update: { kind, machineId, target, lastOnlineAt },
      }),
      ...addresses.map(address =>
        this.prisma.address.upsert({ where: { address }, create: { address, ...use }, update: use }),
      ),
    ])
  }

  /** Their client has gone for good: nobody is expected back after a restart. */
  async setUnexpected(addresses: readonly string[]): Promise<void> {
    await this.prisma.address.updateMany({ where: { address: { in: [...addresses] } }, data: { isExpected: false } })
  }
}

function kindOf(address: string): string {
  return /^(tcp|udp):/.exec(address)?.[1] ?? 'http'
}
