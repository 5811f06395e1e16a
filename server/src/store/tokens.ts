// The tokens that are remembered: their digests, never the tokens.
import type { KeptToken, TokenRecords } from '../owner/tokens.ts'
import type { PrismaClient } from './generated/client.ts'

/** A token that is valid. */
export interface StoredToken {
  readonly id: number
  /** SHA-256 of the token. */
  readonly hash: Buffer
}

/** Times are written when they have changed by as much. */
const USE_STEP_MS = 60_000

/** All methods reject with what the database says. */
export class Tokens implements TokenRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Every token that has not ended. */
  async live(): Promise<StoredToken[]> {
    return (await liveTokens(this.prisma)).map(storedToken)
  }

  /** A client connected with it: to the minute. */
  async used(id: number): Promise<void> {
    const now = new Date()
    const isOld = [{ lastUsedAt: null }, { lastUsedAt: { lt: new Date(now.getTime() - USE_STEP_MS) } }]
    await this.prisma.token.updateMany({ where: { id, OR: isOld }, data: { lastUsedAt: now } })
  }

  /** Keeps the first token there ever was; false, and nothing has changed, when there was one before. */
  async addFirst(hash: Buffer, label: string): Promise<boolean> {
    // One statement, so that of two processes at once only one succeeds.
    const added = await this.prisma.$executeRaw`
      INSERT INTO tokens (hash, label, createdAt)
      SELECT ${hash.toString('hex')}, ${label}, ${new Date()} WHERE NOT EXISTS (SELECT 1 FROM tokens)`
    return added === 1
  }

  /** Every token, the newest first. */
  async list(): Promise<KeptToken[]> {
    const rows = await this.prisma.token.findMany({ orderBy: { id: 'desc' } })
    return rows.map(({ id, label, createdAt, lastUsedAt, endsAt }) => ({
      id,
      label,
      createdAt,
      lastUsedAt: lastUsedAt ?? undefined,
      endsAt: endsAt ?? undefined,
    }))
  }

  /** When the next token ends; undefined when none does. */
  async nextEnd(): Promise<Date | undefined> {
    const row = await this.prisma.token.findFirst({ where: { endsAt: { gt: new Date() } }, orderBy: { endsAt: 'asc' } })
    return row?.endsAt ?? undefined
  }

  /** When this token ended; undefined when there never was one, or it is valid. */
  async endOf(hash: Buffer): Promise<Date | undefined> {
    const row = await this.prisma.token.findUnique({ where: { hash: hash.toString('hex') } })
    return row?.endsAt ?? undefined
  }

  /**
   * Keeps a new token, the only one without an end from then on; all others end then at the latest. The panel's session of this id, 0 for
   * none, goes with the new one. All or nothing; tells the token's id.
   */
  async replace(hash: Buffer, label: string, endsAt = new Date(), session = 0): Promise<number> {
    const where = { OR: [{ endsAt: null }, { endsAt: { gt: endsAt } }] }
    const hex = hash.toString('hex')
    const [, { id }] = await this.prisma.$transaction([
      this.prisma.token.updateMany({ where, data: { endsAt } }),
      this.prisma.token.create({ data: { hash: hex, label } }),
      this.prisma.$executeRaw`
        UPDATE panel_sessions SET tokenId = (SELECT id FROM tokens WHERE hash = ${hex}) WHERE id = ${session}`,
    ])
    return id
  }

  /** Ends a token that has an end, now; false when there is no such token that has not ended. */
  async end(id: number): Promise<boolean> {
    const now = new Date()
    return (
      (await this.prisma.token.updateMany({ where: { id, endsAt: { gt: now } }, data: { endsAt: now } })).count === 1
    )
  }
}

/** Every token that has not ended, as rows. */
export function liveTokens(prisma: PrismaClient) {
  return prisma.token.findMany({ where: isLive(new Date()), orderBy: { id: 'asc' } })
}

export function storedToken({ id, hash }: { readonly id: number; readonly hash: string }): StoredToken {
  return { id, hash: Buffer.from(hash, 'hex') }
}

function isLive(now: Date) {
  return { OR: [{ endsAt: null }, { endsAt: { gt: now } }] }
}
