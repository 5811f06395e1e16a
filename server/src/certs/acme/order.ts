// One try to get a certificate for a domain: look at what it needs, order, judge what has come, keep it; or say why not.
import type { Log } from '../../observe/log.ts'
import { acceptChain } from './accept.ts'
import { cureForCa } from './ca-cure.ts'
import type { Challenges } from './challenges.ts'
import type { KeyFiles, NewKey } from './key-files.ts'
import { delegationOf } from './names.ts'
import type { DomainNews } from './news.ts'
import type { KeptCertificate, KeptDomain, OrderRecords, Problem } from './records.ts'
import { looksAt, MAX_FAILURES, type Random, renewsAt, triesAt } from './renewal.ts'
import { keyOf } from './source.ts'
import { SAME_NAMES_MS, sameNamesFreeAt } from './spent.ts'
import type { Authority, Check, DnsRecord, Issued, IssueFailure, Issuer, Preflight } from './types.ts'

/** The looks before an order, together. */
const LOOKS_MS = 60_000

/** Problems that pass by themselves and cost the CA nothing: they are no reason to give up. */
const PASSES = new Set<IssueFailure['code']>(['unreachable', 'timeout', 'process'])

/** What a try is made with. */
export interface OrderOptions {
  readonly records: OrderRecords
  readonly issuer: Issuer
  readonly preflight: Preflight
  readonly keys: KeyFiles
  readonly challenges: Pick<Challenges, 'storeFor'>
  /** Read anew for each order: its file of roots may have changed. Throws. */
  readonly authority: () => Authority
  /** The identifier of a certificate for its renewal (RFC 9773, 4.1). */
  readonly ariIdOf: (chain: string) => string
  readonly directory: string
  readonly baseDomain: string
  readonly email: string
  readonly profile: string
  /** Resolves when this process goes by what the database says now. */
  readonly changed: () => Promise<void>
  readonly news: DomainNews
  /** Waits for a turn; what it resolves with ends it. */
  readonly slot: () => Promise<() => void>
  /** Unix time in ms. */
  readonly now: () => number
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
}

/** Made for one try. */
export class Order {
  private readonly options: OrderOptions

  constructor(options: OrderOptions) {
    this.options = options
  }

  /** `served`: the certificates that the domain has, the newest first. Rejects when the database does. */
  async run(domain: KeptDomain, served: readonly KeptCertificate[]): Promise<void> {
    const obstacle = await this.obstacleOf(domain)
    if (this.options.signal.aborted) return
    if (obstacle !== undefined) {
      await this.wait(domain, served.length > 0, obstacle)
      return
    }
    const freeAt = await this.limitOf(domain, served)
    if (freeAt !== undefined) {
      await this.tell(domain, { state: 'error', problem: limitProblem(domain, freeAt), nextAt: new Date(freeAt) })
      return
    }
    await this.verified(domain, served.length > 0)
    const leave = await this.options.slot()
    try {
      if (!this.options.signal.aborted) await this.order(domain, served)
    } finally {
      leave()
    }
  }

  /** The first check that forbids an order: a definite contrary answer before something that is only missing. */
  private async obstacleOf({ names, proof, label }: KeptDomain): Promise<Check | undefined> {
    const { preflight, baseDomain, signal } = this.options
    const checked = { names, proof, delegation: delegationOf({ names, label }, baseDomain) }
    let found: Check | undefined
    for await (const check of preflight.check(checked, AbortSignal.any([signal, AbortSignal.timeout(LOOKS_MS)]))) {
      if (check.state === 'failed') return check
      if (check.state === 'waiting') found ??= check
    }
    return found
  }

  private async wait(domain: KeptDomain, hasCertificate: boolean, check: Check): Promise<void> {
    const { now, random } = this.options
    const looks = domain.looks + 1
    const problem = { type: check.step, message: check.message, cure: cureOf(check), link: '' }
    const nextAt = new Date(looksAt(looks, now(), random))
    await this.tell(domain, { state: hasCertificate ? 'error' : 'pending', problem, looks, nextAt })
  }

  private async limitOf(domain: KeptDomain, served: readonly KeptCertificate[]): Promise<number | undefined> {
    const { records, directory, now } = this.options
    const current = served.find(each => each.directory === directory)
    if (current?.window !== undefined) return undefined // a renewal with ARI is outside of the limits
    const names = [...domain.names].sort()
    const orders = await records.ordersOf(names, new Date(now() - SAME_NAMES_MS))
    const life = current && current.notAfter.getTime() - current.notBefore.getTime()
    return sameNamesFreeAt(
      orders.filter(order => order.directory === directory),
      now(),
      life,
    )
  }

  private async verified(domain: KeptDomain, hasCertificate: boolean): Promise<void> {
    if (hasCertificate) return
    const { records, news, changed } = this.options
    if (domain.state === 'pending') news.verified(domain.name)
    // Of the check, not of an order: that one stays until a certificate comes.
    const isOver = domain.failures === 0
    await records.changeDomain(domain.name, { state: 'verified', looks: 0, ...(isOver ? { problem: null } : {}) })
    await changed()
  }

  private async order(domain: KeptDomain, served: readonly KeptCertificate[]): Promise<void> {
    const { records, directory, keys, now, changed } = this.options
    const current = served.find(each => each.directory === directory)
    const accountKey = await this.accountKey()
    const key = keys.make()
    const names = [...domain.names].sort()
    const isRenewal = current?.window !== undefined
    await records.changeDomain(domain.name, { state: served.length > 0 ? 'renewing' : 'issuing', looks: 0 })
    const order = await records.addOrder({ names, directory, isRenewal, startedAt: new Date(now()) })
    await changed()
    const result = await this.issue(domain, key, accountKey, order, isRenewal ? current : undefined)
    if (result.isIssued) await this.keep(domain, key, order, result, served.length > 0)
    else await this.fail(domain, key, order, result, served.length > 0)
  }

  private async accountKey(): Promise<string> {
    const { records, directory, keys, log } = this.options
    const account = await records.account(directory)
    try {
      if (account !== undefined) return keys.read(account.keyFile)
    } catch (error) {
      // Whoever has no key any more gets a new account: the CA ties nothing to it that is needed here.
      log.error('the key of the account at the CA cannot be read, a new account is made', { error: String(error) })
    }
    const key = keys.make()
    await records.setAccount(directory, key.file)
    return key.pem
  }

  private async issue(
    { names, proof, label, name }: KeptDomain,
    key: NewKey,
    accountKey: string,
    order: number,
    replaced: KeptCertificate | undefined,
  ): Promise<Issued | IssueFailure> {
    const { issuer, records, challenges, email, profile, ariIdOf, signal, news, log } = this.options
    log.info('a certificate is ordered', { names, replaces: replaced !== undefined })
    news.ordered(name)
    let authority: Authority
    try {
      authority = this.options.authority()
    } catch (error) {
      return unreadable(error)
    }
    return await issuer.issue({
      ...authority,
      account: { key: accountKey, email },
      ...{ names, proof, key: key.pem, challenges: challenges.storeFor(label), signal },
      ...(profile === '' ? {} : { profile }),
      ...(replaced === undefined ? {} : { replaces: ariIdOf(replaced.chain) }),
      onStage: stage => {
        log.debug('an order has come further', { name, stage })
        records
          .orderStage(order, stage)
          .catch((error: unknown) => log.warn('could not save how far an order is', { error }))
      },
    })
  }

  private async keep(
    domain: KeptDomain,
    key: NewKey,
    order: number,
    issued: Issued,
    isRenewal: boolean,
  ): Promise<void> {
    const { records, directory, now, random, changed, news, log } = this.options
    let life: { notBefore: Date; notAfter: Date }
    try {
      life = acceptChain(issued.chain, key.pem, domain.names, now())
    } catch (error) {
      const message = `the CA sent a certificate that cannot be used: ${error instanceof Error ? error.message : error}`
      const failure = { code: 'ca', type: 'badCertificate', message, stage: 'certificate', name: '' } as const
      await this.fail(
        domain,
        key,
        order,
        { isIssued: false, ...failure, retryAfterMs: undefined, pausedLink: '' },
        isRenewal,
      )
      return
    }
    const renews = renewsAt(life.notBefore.getTime(), life.notAfter.getTime(), random)
    const names = [...domain.names].sort()
    const kept = { names, chain: issued.chain, keyFile: key.file, directory, ...life }
    await records.issued(order, { ...kept, renewsAt: new Date(renews), askAt: new Date(now()) })
    await records.changeAccount(directory, { url: issued.accountUrl, heldUntil: null })
    const done = { failures: 0, looks: 0, nextAt: null, isGivenUp: false }
    await records.changeDomain(domain.name, { state: 'issued', problem: null, ...done })
    await changed()
    log.info('a certificate has come', { names: domain.names, notAfter: life.notAfter })
    if (isRenewal) news.renewed(domain.name, life.notAfter)
    else news.issued(domain.name, life.notAfter)
  }

  private async fail(
    domain: KeptDomain,
    key: NewKey,
    order: number,
    failure: IssueFailure,
    hasCertificate: boolean,
  ): Promise<void> {
    const { records, keys, directory, now, random, changed } = this.options
    keys.remove(key.file)
    await records.endOrder(order, 'failed')
    if (failure.code === 'stopped') {
      await records.changeDomain(domain.name, { state: hasCertificate ? 'issued' : 'verified' })
      await changed()
      return
    }
    const { retryAfterMs, code } = failure
    if (retryAfterMs !== undefined && isAboutAll(failure)) {
      await records.changeAccount(directory, { heldUntil: new Date(now() + retryAfterMs) })
    }
    const failures = domain.failures + 1
    const isGivenUp = failures >= MAX_FAILURES && !PASSES.has(code)
    const nextAt = isGivenUp ? null : new Date(triesAt(failures, retryAfterMs, now(), random))
    await this.tell(domain, { state: 'error', problem: problemIn(failure), failures, nextAt, isGivenUp })
  }

  /** Writes what has become of it, and tells what is new. */
  private async tell(
    domain: KeptDomain,
    change: Parameters<OrderRecords['changeDomain']>[1] & { readonly problem: Problem },
  ): Promise<void> {
    const { records, news, changed, log } = this.options
    await records.changeDomain(domain.name, change)
    await changed()
    const { type, message } = change.problem
    // Waiting for the owner is told once, whatever DNS says each time.
    if (domain.problem?.message === message) return
    log.warn('no new certificate', { names: keyOf(domain.names), type, reason: message, nextTry: change.nextAt })
    news.failed(domain.name, change.problem)
  }
}

/** What the CA is cannot be read. */
function unreadable(error: unknown): IssueFailure {
  const message = `acme-ca cannot be read: ${error instanceof Error ? error.message : String(error)}`
  const failure = { code: 'unreachable', type: '', message, stage: 'directory', name: '' } as const
  return { isIssued: false, ...failure, retryAfterMs: undefined, pausedLink: '' }
}

/** The whole CA wants to be left alone, not only about these names. */
function isAboutAll({ stage, type }: IssueFailure): boolean {
  return type === '' || type === 'serverInternal' || /^(directory|newNonce|newAccount)$/.test(stage)
}

function problemIn({ code, type, message, name, pausedLink }: IssueFailure): Problem {
  const about = name === '' || message.includes(name) ? '' : `${name}: `
  if (pausedLink !== '') {
    const cure = 'open the link once, then try again with "pbt-server domain retry"'
    return {
      type: type || 'paused',
      message: `the CA has paused ${name || 'these names'} after many failures: ${message}`,
      cure,
      link: pausedLink,
    }
  }
  return { type: type || code, message: `${about}${message}`, cure: cureFor({ code, type, message }), link: '' }
}

function cureFor({ code, type, message }: Pick<IssueFailure, 'code' | 'type' | 'message'>): string {
  if (code === 'unreachable')
    return 'it is tried again by itself; look at acme-directory, acme-ca and the network of this machine if it lasts'
  if (code === 'process') return 'it is tried again by itself; the log of pbt-server has more'
  return cureForCa({ type, message })
}

function limitProblem({ names }: KeptDomain, freeAt: number): Problem {
  const when = new Date(freeAt).toISOString()
  return {
    type: 'limits',
    message: `5 certificates for exactly these names (${names.join(', ')}) in 7 days, the most that the CA issues; the next try is ${when}`,
    cure: 'if the data directory was lost, restore a backup instead of starting anew',
    link: '',
  }
}

function cureOf({ cure, record }: Check): string {
  if (record === undefined || cure.includes(recordText(record))) return cure
  return `create ${recordText(record)}${cure === '' ? '' : ` (${cure})`}`
}

/** As zone files have it. */
export function recordText({ name, type, value }: DnsRecord): string {
  return `${name} ${type} ${value}`
}
