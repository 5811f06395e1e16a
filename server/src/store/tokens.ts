// The tokens that are remembered: their digests, never the tokens.
import type { PrismaClient } from './generated/client.ts'

/** A token that is valid. */
export interface StoredToken {
  readonly id: number
  /** SHA-256 of the token. */
  readonly hash: Buffer
}

export class Tokens {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every token that is not revoked. */
  async live(): Promise<StoredToken[]> {
    const rows = await this.prisma.token.findMany({ where: { revokedAt: null }, orderBy: { id: 'asc' } })
    return rows.map(({ id, hash }) => ({ id, hash: Buffer.from(hash, 'hex') }))
  }

  /** Keeps the first token there ever was; false, and nothing has changed, when there was one before. */
  async addFirst(hash: Buffer, label: string): Promise<boolean> {
    // One statement, so that of two processes at once only one succeeds.
    const added = await this.prisma.$executeRaw`
      INSERT INTO tokens (hash, label, createdAt)
      SELECT ${hash.toString('hex')}, ${label}, ${new Date()} WHERE NOT EXISTS (SELECT 1 FROM tokens)`
    return added === 1
  }
}
