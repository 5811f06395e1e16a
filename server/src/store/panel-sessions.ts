// Who is logged in to the panel, as it is remembered: digests of cookies, never the cookies.
import type { SessionRecords, StoredSession } from '../owner/panel.ts'
import type { PrismaClient } from './generated/client.ts'
import { liveTokens, type StoredToken, storedToken } from './tokens.ts'

/** All methods reject with what the database says; nothing is kept in memory. */
export class PanelSessions implements SessionRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  /** Those that have not ended, the newest first; those that have are forgotten. */
  async live(): Promise<StoredSession[]> {
    const now = new Date()
    const rows = await this.prisma.panelSession.findMany({ orderBy: { id: 'desc' } })
    if (rows.some(({ endsAt }) => endsAt <= now))
      await this.prisma.panelSession.deleteMany({ where: { endsAt: { lte: now } } })
    return rows.filter(({ endsAt }) => endsAt > now)
  }

  async withTokens(): Promise<{ sessions: StoredSession[]; tokens: StoredToken[] }> {
    const [sessions, tokens] = await this.prisma.$transaction([
      this.prisma.panelSession.findMany({ where: { endsAt: { gt: new Date() } } }),
      liveTokens(this.prisma),
    ])
    return { sessions, tokens: tokens.map(storedToken) }
  }

  async add(session: Omit<StoredSession, 'id'>): Promise<StoredSession> {
    return await this.prisma.panelSession.create({ data: session })
  }

  async remove(ids: readonly number[]): Promise<number> {
    return (await this.prisma.panelSession.deleteMany({ where: { id: { in: [...ids] } } })).count
  }

  async seen(id: number, at: Date): Promise<void> {
    await this.prisma.panelSession.updateMany({ where: { id }, data: { lastSeenAt: at } })
  }
}
