// The public ports that are remembered: which target each belongs to, and whether its client was there.

import type { PortStore, Protocol, StoredPort } from '../relay/ports.ts'
import type { TunnelOwner } from '../relay/registry.ts'
import type { PrismaClient } from './generated/client.ts'
import { upsertTunnel } from './tunnels.ts'

export class PortTable implements PortStore {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every port, the one used last at the end. */
  async load(): Promise<StoredPort[]> {
    const rows = await this.prisma.port.findMany({
      include: { tunnel: true },
      orderBy: [{ lastUsedAt: 'asc' }, { id: 'desc' }],
    })
    return rows.map(({ protocol, number, isOnline, tunnel: { machineId, kind, target } }) => {
      return { protocol: protocol === 'udp' ? 'udp' : 'tcp', number, machineId, kind, target, isOnline }
    })
  }

  /** The port belongs to this target, online, when this resolves. */
  async claim(owner: TunnelOwner, protocol: Protocol, number: number): Promise<void> {
    const use = { isOnline: true, lastUsedAt: new Date(), tunnel: { connect: { machineId_kind_target: { ...owner } } } }
    await this.prisma.$transaction([
      upsertTunnel(this.prisma, owner),
      this.prisma.port.upsert({
        where: { protocol_number: { protocol, number } },
        create: { protocol, number, ...use },
        update: use,
      }),
    ])
  }

  /** Its client has gone for good: nobody is expected back after a restart. */
  async setOffline(protocol: Protocol, number: number): Promise<void> {
    await this.prisma.port.updateMany({ where: { protocol, number }, data: { isOnline: false } })
  }
}
