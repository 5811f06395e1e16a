// One try to get a certificate for a domain: look at what it needs, order, judge what has come, keep it; or say why not.
import type { Clock, Timer } from '@pbt/proto'
import type { Log } from '../../observe/log.ts'
import { acceptChain } from './accept.ts'
import type { Challenges } from './challenges.ts'
import type { KeyFiles, NewKey } from './key-files.ts'
import { delegationOf } from './names.ts'
import type { DomainNews } from './news.ts'
import { cureOf, isAboutAll, isDecided, limitProblem, problemIn, unfinished, unreadable } from './order-problem.ts'
import type { DomainChange, KeptCertificate, KeptDomain, OrderRecords, Problem } from './records.ts'
import { keptTime, looksAt, type Random, renewalWithin, renewsAt, triesAt } from './renewal.ts'
import { keyOf } from './source.ts'
import { mayBeIssued, SAME_NAMES_MS, sameNamesFreeAt } from './spent.ts'
import type { Authority, Check, Issued, IssueFailure, Issuer, Preflight } from './types.ts'

/** The looks before an order, together. */
const LOOKS_MS = 60_000

/** An issuer has a deadline of its own; one that keeps none, or does not stop, is waited for no longer than this. */
const ISSUE_MS = 10 * 60_000
const STOP_MS = 10_000

/** What a try is made with. */
export interface OrderOptions {
  readonly records: OrderRecords
  readonly issuer: Issuer
  readonly preflight: Preflight
  readonly keys: KeyFiles
  readonly challenges: Pick<Challenges, 'store'>
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
  readonly clock: Clock
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

  /** `served`: the certificates that the domain has, the newest first, ended ones too. Rejects when the database does. */
  async run(domain: KeptDomain, served: readonly KeptCertificate[]): Promise<void> {
    const hasCertificate = served.some(({ notAfter }) => notAfter.getTime() > this.options.now())
    const obstacle = await this.obstacleOf(domain)
    if (this.options.signal.aborted) return
    if (obstacle !== undefined) {
      await this.wait(domain, hasCertificate, obstacle)
      return
    }
    const { freeAt, replaced } = await this.limitOf(domain, served)
    if (freeAt !== undefined) {
      await this.tell(domain, { state: 'error', problem: limitProblem(domain, freeAt), nextAt: new Date(freeAt) })
      return
    }
    await this.verified(domain, hasCertificate)
    const leave = await this.options.slot()
    try {
      // The CA may have asked to be left alone while this order waited for its turn.
      if (this.options.signal.aborted || (await this.isHeld())) return
      await this.order(domain, hasCertificate, replaced)
    } finally {
      leave()
    }
  }

  /** The first check that forbids an order: a definite contrary answer before something that is only missing. */
  private async obstacleOf({ names, proof }: KeptDomain): Promise<Check | undefined> {
    const { preflight, baseDomain, signal } = this.options
    const checked = { names, proof, delegation: delegationOf({ names }, baseDomain) }
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

  /** When an order may be made, undefined for now, and the certificate that it replaces at the CA. */
  private async limitOf(
    domain: KeptDomain,
    served: readonly KeptCertificate[],
  ): Promise<{ freeAt: number | undefined; replaced: KeptCertificate | undefined }> {
    const { records, directory, now } = this.options
    const current = served.find(each => each.directory === directory)
    const all = await records.ordersOf([...domain.names].sort(), new Date(now() - SAME_NAMES_MS))
    const orders = all.filter(order => order.directory === directory)
    // A renewal with ARI is outside of the limits, once for each certificate.
    const came = orders.findIndex(({ outcome }) => outcome === 'issued')
    const since = came < 0 ? orders : orders.slice(0, came)
    const isReplaced = since.some(order => order.isRenewal && mayBeIssued(order))
    if (current?.window !== undefined && !isReplaced) return { freeAt: undefined, replaced: current }
    const life = current && current.notAfter.getTime() - current.notBefore.getTime()
    return { freeAt: sameNamesFreeAt(orders, now(), life), replaced: undefined }
  }

  private async isHeld(): Promise<boolean> {
    const { records, directory, now } = this.options
    return keptTime((await records.account(directory))?.heldUntil, now()) > now()
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

  private async order(
    domain: KeptDomain,
    hasCertificate: boolean,
    replaced: KeptCertificate | undefined,
  ): Promise<void> {
    const { records, directory, keys, now, changed } = this.options
    const accountKey = await this.accountKey()
    const key = keys.make()
    const names = [...domain.names].sort()
    const isRenewal = replaced !== undefined
    await records.changeDomain(domain.name, { state: hasCertificate ? 'renewing' : 'issuing', looks: 0 })
    const order = await records.addOrder({ names, directory, isRenewal, startedAt: new Date(now()) })
    await changed()
    const result = await this.issue(domain, key, accountKey, order, replaced)
    if (result.isIssued) await this.keep(domain, key, order, result, hasCertificate)
    else await this.fail(domain, key, order, result, hasCertificate)
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
    { names, proof, name }: KeptDomain,
    key: NewKey,
    accountKey: string,
    order: number,
    replaced: KeptCertificate | undefined,
  ): Promise<Issued | IssueFailure> {
    const { issuer, records, challenges, email, profile, ariIdOf, news, log } = this.options
    log.info('a certificate is ordered', { names, replaces: replaced !== undefined })
    news.ordered(name)
    let authority: Authority
    try {
      authority = this.options.authority()
    } catch (error) {
      return unreadable(error)
    }
    let current = 'directory'
    const onStage = (stage: string) => {
      current = stage
      log.debug('an order has come further', { name, stage })
      records
        .orderStage(order, stage)
        .catch((error: unknown) => log.warn('could not save how far an order is', { error }))
    }
    const wish = {
      ...authority,
      account: { key: accountKey, email },
      ...{ names, proof, key: key.pem, challenges: challenges.store, onStage },
      ...(profile === '' ? {} : { profile }),
      ...(replaced === undefined ? {} : { replaces: ariIdOf(replaced.chain) }),
    }
    return await this.inTime(
      signal => issuer.issue({ ...wish, signal }),
      () => current,
    )
  }

  /** What comes of it, also when it throws, does not end, or does not stop. */
  private async inTime(
    work: (signal: AbortSignal) => Promise<Issued | IssueFailure>,
    stage: () => string,
  ): Promise<Issued | IssueFailure> {
    const { clock, signal, log } = this.options
    const end = new AbortController()
    const over = Promise.withResolvers<IssueFailure>()
    const late = clock.after(ISSUE_MS, () => {
      over.resolve(unfinished('timeout', 'nothing was decided in time', stage()))
      end.abort()
    })
    let left: Timer | undefined
    const stop = () => {
      left = clock.after(STOP_MS, () => over.resolve(unfinished('stopped', 'stopped before it was done', stage())))
      end.abort()
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    try {
      return await Promise.race([work(end.signal), over.promise])
    } catch (error) {
      log.error('issuance broke', { error, stage: stage() })
      return unfinished('process', error instanceof Error ? error.message : String(error), stage())
    } finally {
      signal.removeEventListener('abort', stop)
      late.clear()
      left?.clear()
    }
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
    const renews = renewalWithin(renewsAt(life.notBefore.getTime(), life.notAfter.getTime(), random), life, now())
    const names = [...domain.names].sort()
    const kept = { names, chain: issued.chain, keyFile: key.file, directory, ...life }
    await records.issued(order, { ...kept, renewsAt: new Date(renews), askAt: new Date(now()) })
    await records.changeAccount(directory, { url: issued.accountUrl })
    const isThere = await records.changeDomain(domain.name, ISSUED)
    await changed()
    log.info('a certificate has come', { names: domain.names, notAfter: life.notAfter.toISOString() })
    if (!isThere) return // it was removed meanwhile
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
    const { records, keys, now, random, changed } = this.options
    if (isDecided(failure)) await records.endOrder(order, 'failed')
    if (failure.code === 'stopped') {
      await records.changeDomain(domain.name, { state: hasCertificate ? 'issued' : 'verified' })
      await changed()
    } else {
      await this.hold(failure)
      const failures = domain.failures + 1
      // What the CA has paused only the owner can lift.
      const isGivenUp = failure.pausedLink !== ''
      const nextAt = isGivenUp ? null : new Date(triesAt(failures, failure.retryAfterMs, now(), random))
      await this.tell(domain, { state: 'error', problem: problemIn(failure), failures, nextAt, isGivenUp })
    }
    keys.remove(key.file)
  }

  /** No order of any name before the CA wants to be asked again. */
  private async hold(failure: IssueFailure): Promise<void> {
    const { records, directory, now } = this.options
    if (failure.retryAfterMs === undefined || !isAboutAll(failure)) return
    const until = now() + failure.retryAfterMs
    const before = keptTime((await records.account(directory))?.heldUntil, now())
    if (until > before) await records.changeAccount(directory, { heldUntil: new Date(until) })
  }

  /** Writes what has become of it, and tells what is new. */
  private async tell(domain: KeptDomain, change: DomainChange & { readonly problem: Problem }): Promise<void> {
    const { records, news, changed, log } = this.options
    const isThere = await records.changeDomain(domain.name, change)
    await changed()
    if (!isThere) return // it was removed meanwhile
    const { type, message } = change.problem
    // Waiting for the owner is told once, whatever DNS says each time; how an order ended, which was told when it began, each time.
    if (change.state !== 'error' && domain.problem?.message === message) return
    log.warn('no new certificate', {
      names: keyOf(domain.names),
      type,
      reason: message,
      nextTry: change.nextAt?.toISOString(),
    })
    news.failed(domain.name, change.problem)
  }
}

/** What a domain is once its certificate is there. */
export const ISSUED: DomainChange = {
  ...{ problem: null, failures: 0, looks: 0, nextAt: null, isGivenUp: false },
  state: 'issued',
}
