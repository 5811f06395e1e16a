// Domains, their certificates, and what is under way with the CA.
import type {
  DomainChange,
  DomainState,
  KeptAccount,
  KeptCertificate,
  KeptChallenge,
  KeptDomain,
  KeptOrder,
  NewCertificate,
  NewDomain,
  OrderRecords,
} from '../certs/acme/records.ts'
import type { ProofKind } from '../certs/acme/types.ts'
import type { AcmeChallenge, AcmeOrder, Certificate, Domain, PrismaClient } from './generated/client.ts'

/** There is one lease. */
const LEASE = { id: 1 }

/** All methods reject with what the database says; nothing is kept in memory. */
export class DomainTable implements OrderRecords {
  private readonly prisma: PrismaClient

  constructor(prisma: PrismaClient) {
    this.prisma = prisma
  }

  async domains(): Promise<KeptDomain[]> {
    return (await this.prisma.domain.findMany({ orderBy: [{ isBase: 'desc' }, { name: 'asc' }] })).map(domainOf)
  }

  async domain(name: string): Promise<KeptDomain | undefined> {
    const row = await this.prisma.domain.findUnique({ where: { name } })
    return row === null ? undefined : domainOf(row)
  }

  async addDomain({ name, names, proof, isBase }: NewDomain): Promise<boolean> {
    return await this.prisma.$transaction(async prisma => {
      if ((await prisma.domain.count({ where: { name } })) > 0) return false
      await prisma.domain.create({ data: { name, names: names.join(' '), proof, isBase } })
      return true
    })
  }

  async changeDomain(name: string, { problem, ...change }: DomainChange): Promise<boolean> {
    const { type = '', message = '', cure = '', link = '' } = problem ?? {}
    const told = { problemType: type, problem: message, problemCure: cure, problemLink: link }
    const problemAt = problem === null ? null : new Date()
    const data = { ...change, ...(problem === undefined ? {} : { ...told, problemAt }) }
    return (await this.prisma.domain.updateMany({ where: { name }, data })).count === 1
  }

  async removeDomain(name: string): Promise<boolean> {
    return (await this.prisma.domain.deleteMany({ where: { name } })).count === 1
  }

  async certificates(): Promise<KeptCertificate[]> {
    return (await this.prisma.certificate.findMany({ orderBy: { id: 'desc' } })).map(certificateOf)
  }

  async ordersOf(names: readonly string[], since: Date): Promise<KeptOrder[]> {
    const where = { names: names.join(' '), startedAt: { gt: since } }
    return (await this.prisma.acmeOrder.findMany({ where, orderBy: { id: 'desc' } })).map(orderOf)
  }

  async ordersSince(since: Date): Promise<KeptOrder[]> {
    const where = { startedAt: { gt: since } }
    return (await this.prisma.acmeOrder.findMany({ where, orderBy: { id: 'desc' } })).map(orderOf)
  }

  async addOrder({
    names,
    ...order
  }: Pick<KeptOrder, 'names' | 'directory' | 'isRenewal' | 'startedAt'>): Promise<number> {
    return (await this.prisma.acmeOrder.create({ data: { ...order, names: names.join(' ') } })).id
  }

  async orderStage(id: number, stage: string): Promise<void> {
    await this.prisma.acmeOrder.update({ where: { id }, data: { stage } })
  }

  async endOrder(id: number, outcome: 'failed'): Promise<void> {
    await this.prisma.acmeOrder.update({ where: { id }, data: { outcome, endedAt: new Date() } })
  }

  async issued(orderId: number, { names, ...certificate }: NewCertificate): Promise<void> {
    await this.prisma.$transaction([
      this.prisma.acmeOrder.update({ where: { id: orderId }, data: { outcome: 'issued', endedAt: new Date() } }),
      this.prisma.certificate.create({ data: { ...certificate, names: names.join(' ') } }),
    ])
  }

  async setRenewal(
    id: number,
    { renewsAt, askAt, window }: Pick<KeptCertificate, 'renewsAt' | 'askAt' | 'window'>,
  ): Promise<void> {
    const data = { renewsAt, askAt, windowStart: window?.start ?? null, windowEnd: window?.end ?? null }
    await this.prisma.certificate.updateMany({ where: { id }, data })
  }

  async account(directory: string): Promise<KeptAccount | undefined> {
    const row = await this.prisma.acmeAccount.findUnique({ where: { directory } })
    if (row === null) return undefined
    return { keyFile: row.keyFile, url: row.url, heldUntil: row.heldUntil ?? undefined }
  }

  async setAccount(directory: string, keyFile: string): Promise<void> {
    const data = { keyFile, url: '' }
    await this.prisma.acmeAccount.upsert({ where: { directory }, create: { directory, ...data }, update: data })
  }

  async changeAccount(directory: string, change: { url?: string; heldUntil?: Date | null }): Promise<void> {
    await this.prisma.acmeAccount.updateMany({ where: { directory }, data: change })
  }

  async keyFiles(): Promise<string[]> {
    const select = { keyFile: true }
    const [certificates, accounts] = [this.prisma.certificate, this.prisma.acmeAccount]
    const rows = [...(await certificates.findMany({ select })), ...(await accounts.findMany({ select }))]
    return rows.map(({ keyFile }) => keyFile)
  }

  async prune(before: Date): Promise<void> {
    await this.prisma.$transaction([
      this.prisma.certificate.deleteMany({ where: { notAfter: { lt: before } } }),
      this.prisma.acmeOrder.deleteMany({ where: { startedAt: { lt: before } } }),
    ])
  }

  async lease(holder: string, until: Date, isGone: (holder: string) => boolean): Promise<boolean> {
    return await this.prisma.$transaction(async prisma => {
      const row = await prisma.acmeLease.findUnique({ where: LEASE })
      if (row !== null && row.holder !== holder && row.until > new Date() && !isGone(row.holder)) return false
      const data = { holder, until }
      await prisma.acmeLease.upsert({ where: LEASE, create: { ...LEASE, ...data }, update: data })
      return true
    })
  }

  async release(holder: string): Promise<void> {
    await this.prisma.acmeLease.deleteMany({ where: { holder } })
  }

  async challenges(): Promise<KeptChallenge[]> {
    return (await this.prisma.acmeChallenge.findMany({ orderBy: { id: 'asc' } })).map(challengeOf)
  }

  async putChallenge({ kind, name, token, value, label }: KeptChallenge): Promise<void> {
    const where = { kind_name_token: { kind, name, token } }
    const data = { kind, name, token, value, label }
    await this.prisma.acmeChallenge.upsert({ where, create: data, update: data })
  }

  async removeChallenge({ kind, name, token }: Pick<KeptChallenge, 'kind' | 'name' | 'token'>): Promise<void> {
    await this.prisma.acmeChallenge.deleteMany({ where: { kind, name, token } })
  }

  async clearChallenges(): Promise<void> {
    await this.prisma.acmeChallenge.deleteMany()
  }
}

const STATES: readonly string[] = ['pending', 'verified', 'issuing', 'issued', 'renewing', 'error']

function domainOf(row: Domain): KeptDomain {
  const { name, names, isBase, failures, looks, nextAt, isGivenUp, createdAt, problemAt } = row
  const { problemType: type, problem: message, problemCure: cure, problemLink: link } = row
  return {
    ...{ name, names: names.split(' '), proof: proofOf(row.proof), isBase, failures, looks, isGivenUp },
    ...{ createdAt, nextAt: nextAt ?? undefined },
    state: STATES.includes(row.state) ? (row.state as DomainState) : 'pending',
    problem: problemAt === null ? undefined : { type, message, cure, link, at: problemAt },
  }
}

function certificateOf({ names, windowStart, windowEnd, ...row }: Certificate): KeptCertificate {
  const { id, chain, keyFile, directory, notBefore, notAfter, renewsAt, askAt } = row
  return {
    ...{ id, names: names.split(' '), chain, keyFile, directory, notBefore, notAfter, renewsAt, askAt },
    window: windowStart === null || windowEnd === null ? undefined : { start: windowStart, end: windowEnd },
  }
}

function orderOf({ id, names, directory, isRenewal, stage, outcome, startedAt }: AcmeOrder): KeptOrder {
  return {
    ...{ id, names: names.split(' '), directory, isRenewal, stage, startedAt },
    outcome: outcome === 'issued' || outcome === 'failed' ? outcome : '',
  }
}

function challengeOf({ kind, name, token, value, label }: AcmeChallenge): KeptChallenge {
  return { kind: proofOf(kind), name, token, value, label }
}

/** What a newer version has written may be of a kind that is not known here. */
function proofOf(kind: string): ProofKind {
  return kind === 'delegated' ? 'delegated' : 'http'
}
