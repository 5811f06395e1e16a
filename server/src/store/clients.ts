// The clients that were connected: the 10,000 seen last.
import { type ClientRecords, type KeptClient, MAX_CLIENTS, type SeenClient } from '../owner/client-records.ts'
import type { PrismaClient } from './generated/client.ts'

/** All methods reject with what the database says; nothing is kept in memory. */
export class ClientTable implements ClientRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Keeps them as they were seen last; those seen longest ago go when there are too many. */
  async seen(clients: readonly SeenClient[]): Promise<void> {
    const rows = clients.map(client => ({ ...client, at: client.lastSeenAt.toISOString().replace('Z', '+00:00') }))
    await this.prisma.$executeRaw`
      INSERT INTO clients (id, machineId, label, agent, minor, address, tokenId, firstSeenAt, lastSeenAt)
      SELECT value ->> 'id', value ->> 'machineId', value ->> 'label', value ->> 'agent', value ->> 'minor',
        value ->> 'address', value ->> 'tokenId', value ->> 'at', value ->> 'at'
      FROM json_each(${JSON.stringify(rows)}) WHERE true
      ON CONFLICT (id) DO UPDATE SET machineId = excluded.machineId, label = excluded.label, agent = excluded.agent,
        minor = excluded.minor, address = excluded.address, tokenId = excluded.tokenId, lastSeenAt = excluded.lastSeenAt`
    await this.prisma.$executeRaw`
      DELETE FROM clients WHERE id IN (SELECT id FROM clients ORDER BY lastSeenAt DESC, id LIMIT -1 OFFSET ${MAX_CLIENTS})`
  }

  /** All of them, by label and id. */
  async list(): Promise<KeptClient[]> {
    return await this.prisma.client.findMany({ orderBy: [{ label: 'asc' }, { id: 'asc' }] })
  }

  /** One of them. */
  async find(id: string): Promise<KeptClient | undefined> {
    return (await this.prisma.client.findUnique({ where: { id } })) ?? undefined
  }

  /** False when there is no such client. */
  async forget(id: string): Promise<boolean> {
    return (await this.prisma.client.deleteMany({ where: { id } })).count === 1
  }
}
