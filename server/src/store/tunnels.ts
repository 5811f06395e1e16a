// The tunnels that reservations hang on: one row for each target of a machine.
import type { TunnelOwner } from '../relay/registry.ts'
import type { PrismaClient } from './generated/client.ts'

/** A query, to be part of a transaction: the tunnel is there and was online now. */
export function upsertTunnel(prisma: PrismaClient, { machineId, kind, target }: TunnelOwner) {
  const machineId_kind_target = { machineId, kind, target }
  const lastOnlineAt = new Date()
  return prisma.tunnel.upsert({
    where: { machineId_kind_target },
    create: { ...machineId_kind_target, lastOnlineAt },
    update: { lastOnlineAt },
  })
}
