// The tunnels that are remembered, by their names: what they were, and what the owner has said of them.
import type { KeptTunnel, TunnelRecords } from '../owner/tunnel-records.ts'
import type { SteeredNames, SteeringStore } from '../relay/steering.ts'
import type { PrismaClient, Tunnel } from './generated/client.ts'

/** All methods reject with what the database says; nothing is kept in memory. */
export class TunnelTable implements TunnelRecords, SteeringStore {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  // For the relay.

  async steered(): Promise<SteeredNames> {
    const rows = await this.prisma.tunnel.findMany({
      where: { OR: [{ isPaused: true }, { isKilled: true }] },
      select: { name: true, isPaused: true, isKilled: true },
    })
    return {
      paused: rows.filter(({ isPaused }) => isPaused).map(({ name }) => name),
      killed: rows.filter(({ isKilled }) => isKilled).map(({ name }) => name),
    }
  }

  /** The owner has asked for it again: it is ended no longer. */
  async lift(name: string): Promise<void> {
    await this.steer(name, { isKilled: false })
  }

  // For the owner.

  /** Every tunnel, by its name. */
  async list(): Promise<KeptTunnel[]> {
    return (await this.prisma.tunnel.findMany({ orderBy: { name: 'asc' } })).map(kept)
  }

  /** One of them; undefined when there is none of this name. */
  async find(name: string): Promise<KeptTunnel | undefined> {
    const row = await this.prisma.tunnel.findUnique({ where: { name } })
    return row === null ? undefined : kept(row)
  }

  /** It stays down until `start`, and its client is not expected back. False when there is no such tunnel. */
  async kill(name: string): Promise<boolean> {
    const now = new Date()
    // Those that a client had until now.
    const had = { tunnel: { name }, isExpected: true }
    const [{ count }] = await this.prisma.$transaction([
      this.prisma.tunnel.updateMany({ where: { name }, data: { isKilled: true, steeredAt: now } }),
      this.prisma.tunnel.updateMany({ where: { name, addresses: { some: had } }, data: { lastOnlineAt: now } }),
      this.prisma.address.updateMany({ where: had, data: { isExpected: false } }),
    ])
    return count === 1
  }

  async start(name: string): Promise<boolean> {
    return await this.steer(name, { isKilled: false })
  }

  async setPaused(name: string, isPaused: boolean): Promise<boolean> {
    return await this.steer(name, { isPaused })
  }

  private async steer(name: string, data: { isKilled?: boolean; isPaused?: boolean }): Promise<boolean> {
    const changed = { ...data, steeredAt: new Date() }
    return (await this.prisma.tunnel.updateMany({ where: { name }, data: changed })).count === 1
  }
}

function kept(row: Tunnel): KeptTunnel {
  const { name, kind, target, clientId, clientLabel, allow, isPaused, isKilled, steeredAt, createdAt, lastOnlineAt } =
    row
  return {
    ...{ name, kind, target, clientId, clientLabel, isPaused, isKilled, createdAt, lastOnlineAt },
    clientBlocks: allow.split(' ').filter(block => block !== ''),
    steeredAt: steeredAt ?? undefined,
  }
}
