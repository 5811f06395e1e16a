// The subdomains that are remembered: which target each belongs to, and whether its client was there.
import type { TunnelOwner } from '../relay/registry.ts'
import type { NameStore, StoredName } from '../relay/reservations.ts'
import type { PrismaClient } from './generated/client.ts'
import { upsertTunnel } from './tunnels.ts'

export class Names implements NameStore {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every name, the one used last at the end. */
  async load(): Promise<StoredName[]> {
    const rows = await this.prisma.subdomain.findMany({
      include: { tunnel: true },
      orderBy: [{ lastUsedAt: 'asc' }, { id: 'desc' }],
    })
    return rows.map(({ label, isOnline, tunnel: { machineId, kind, target } }) => {
      return { label, machineId, kind, target, isOnline }
    })
  }

  /** The labels belong to this target, online, when this resolves; all or none. */
  async claim(owner: TunnelOwner, labels: readonly string[]): Promise<void> {
    const use = { isOnline: true, lastUsedAt: new Date(), tunnel: { connect: { machineId_kind_target: { ...owner } } } }
    await this.prisma.$transaction([
      upsertTunnel(this.prisma, owner),
      ...labels.map(label =>
        this.prisma.subdomain.upsert({ where: { label }, create: { label, ...use }, update: use }),
      ),
    ])
  }

  /** Their client has gone for good: nobody is expected back after a restart. */
  async setOffline(labels: readonly string[]): Promise<void> {
    await this.prisma.subdomain.updateMany({ where: { label: { in: [...labels] } }, data: { isOnline: false } })
  }
}
