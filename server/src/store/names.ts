// The subdomains that are remembered: which target each belongs to, and whether its client was there.
import type { NameOwner, NameStore, StoredName } from '../relay/reservations.ts'
import type { PrismaClient } from './generated/client.ts'

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
  async claim(owner: NameOwner, labels: readonly string[]): Promise<void> {
    const now = new Date()
    const machineId_kind_target = { machineId: owner.machineId, kind: owner.kind, target: owner.target }
    const use = { isOnline: true, lastUsedAt: now, tunnel: { connect: { machineId_kind_target } } }
    await this.prisma.$transaction([
      this.prisma.tunnel.upsert({
        where: { machineId_kind_target },
        create: { ...machineId_kind_target, lastOnlineAt: now },
        update: { lastOnlineAt: now },
      }),
      ...labels.map(label =>
        this.prisma.subdomain.upsert({ where: { label }, create: { label, ...use }, update: use }),
      ),
    ])
  }

  /** The target's client has gone for good: nobody is expected back after a restart. */
  async setOffline(owner: NameOwner): Promise<void> {
    const { machineId, kind, target } = owner
    await this.prisma.$transaction([
      this.prisma.tunnel.updateMany({ where: { machineId, kind, target }, data: { lastOnlineAt: new Date() } }),
      this.prisma.subdomain.updateMany({ where: { tunnel: { machineId, kind, target } }, data: { isOnline: false } }),
    ])
  }
}
