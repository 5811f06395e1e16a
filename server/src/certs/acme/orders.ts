// The scheduler: which domain is looked at or ordered for when, and what comes of it. One process of a server has it at a time.
import { addAbortListener } from 'node:events'
import type { Clock, Timer } from '@pbt/proto'
import type { Log } from '../../observe/log.ts'
import type { KeyFiles } from './key-files.ts'
import { ISSUED, Order, type OrderOptions } from './order.ts'
import type { KeptCertificate, KeptDomain, OrderRecords } from './records.ts'
import { ASK_AGAIN_MS, asksAt, keptTime, momentIn, type Random, renewalWithin } from './renewal.ts'
import { certificatesOf, keyOf } from './source.ts'
import { orderFreeAt, SAME_NAMES_MS } from './spent.ts'
import type { Issuer } from './types.ts'

/** It looks at least so often: wall clocks are set, and timers take no more. */
const LOOK_MS = 3_600_000
/** Another process has it: whether it still has is looked at this often. */
const WAIT_MS = 5_000
/** The database failed: again then. */
const FAULT_MS = 10_000
/** A try broke for a reason of this machine's: again then. */
const BROKEN_MS = 60_000
/** Domains that are looked at or ordered for at once. A look is a few DNS questions. */
const MAX_AT_ONCE = 8
/** Orders at once: each is a process of its own with some 50 MB. */
const MAX_ORDERS_AT_ONCE = 2
/** The lease outlives the time between two looks. */
const LEASE_MS = 3 * LOOK_MS
/** Orders and certificates are remembered for longer than any limit of the CA looks back. */
const REMEMBERED_MS = 2 * SAME_NAMES_MS

/** A pause between two orders, in parts: the clock may be set back meanwhile. */
const MAX_PAUSE_MS = 10_000
/** The key of the questions to the CA; no domain has such a name. */
const ASK = ':ask'

interface Running {
  readonly done: Promise<void>
  readonly stop: AbortController
  readonly domain: KeptDomain | undefined
}

/** What orders are made with. */
export interface OrdersOptions extends Omit<OrderOptions, 'slot' | 'signal'> {
  readonly records: OrderRecords
  readonly issuer: Issuer
  readonly keys: KeyFiles
  /** Whether the domain is to have a new certificate at all, now that these are there. */
  readonly isWanted: (domain: KeptDomain, certificates: readonly KeptCertificate[]) => boolean
  /** This process, and whether another one is no more. */
  readonly holder: string
  readonly isGone: (holder: string) => boolean
  readonly clock: Clock
  /** Unix time in ms. */
  readonly now: () => number
  readonly random: Random
  readonly log: Log
}

/** Makes orders from `start` until `stop`. */
export class Orders {
  private readonly options: OrdersOptions
  /** By set of names: two domains may have the same one. */
  private readonly running = new Map<string, Running>()
  /** What broke here, as a database does that is full, rests for a while. Few: those of the domains. */
  private readonly brokenUntil = new Map<string, number>()
  private readonly slots: (() => void)[] = []
  private ordering = 0
  /** Orders that have had their turn; the database has not each of them yet. */
  private begun = 0
  private readonly stopping = new AbortController()
  private timer: Timer | undefined
  private working: Promise<void> | undefined
  private isStarted = false
  private isOwed = false
  private isHolder = false
  private leaseUntil = 0
  private isFailing = false

  constructor(options: OrdersOptions) {
    this.options = options
  }

  start(): void {
    this.isStarted = true
    this.look()
  }

  /** Something may have changed, or become due. Never throws, waits for nothing; nothing before `start`. */
  look(): void {
    if (!this.isStarted || this.stopping.signal.aborted) return
    this.isOwed = true
    this.working ??= this.work().finally(() => {
      this.working = undefined
    })
  }

  /** Ends what is under way; the next process goes on. Never rejects. */
  async stop(): Promise<void> {
    this.stopping.abort()
    this.timer?.clear()
    await this.working
    await Promise.allSettled([...this.running.values()].map(({ done }) => done))
    if (this.isHolder) await this.options.records.release(this.options.holder).catch(() => {})
  }

  private async work(): Promise<void> {
    while (this.isOwed && !this.stopping.signal.aborted) {
      this.isOwed = false
      let waitMs: number
      try {
        waitMs = (await this.hasLease()) ? await this.begin() : WAIT_MS
        this.isFailing = false
      } catch (error) {
        if (!this.isFailing) this.options.log.error('cannot look after certificates', { error: String(error) })
        this.isFailing = true
        waitMs = FAULT_MS
      }
      this.timer?.clear()
      if (this.stopping.signal.aborted) return
      this.timer = this.options.clock.after(Math.min(LOOK_MS, Math.max(1, waitMs)), () => this.look())
    }
  }

  private async hasLease(): Promise<boolean> {
    const { records, holder, isGone, now } = this.options
    const leftMs = this.leaseUntil - now()
    if (this.isHolder && leftMs > LEASE_MS / 2 && leftMs <= LEASE_MS) return true
    const until = now() + LEASE_MS
    const isNew = !this.isHolder
    this.isHolder = await records.lease(holder, new Date(until), isGone)
    this.leaseUntil = until
    if (!this.isHolder) for (const { stop } of this.running.values()) stop.abort()
    // What a killed process has left: its challenges, the keys of its orders.
    if (this.isHolder && isNew) await records.clearChallenges()
    if (this.isHolder) await this.prune()
    return this.isHolder
  }

  private async prune(): Promise<void> {
    const { records, keys, now, log } = this.options
    await records.prune(new Date(now() - REMEMBERED_MS))
    try {
      keys.prune(new Set(await records.keyFiles()), now())
    } catch (error) {
      log.warn('keys that nothing needs cannot be removed', { error: String(error) })
    }
  }

  /** Begins what is due; how long until something else is. */
  private async begin(): Promise<number> {
    const { records, keys, directory, now } = this.options
    // One that ends from here on may have been read before that; it causes another look.
    const underWay = new Set(this.running.keys())
    const domains = await records.domains()
    // One whose key is lost serves nobody.
    const certificates = (await records.certificates()).filter(({ keyFile }) => keys.has(keyFile))
    const held = keptTime((await records.account(directory))?.heldUntil, now())
    this.stopRemoved(domains)
    let next = now() + LOOK_MS
    for (const domain of domains) {
      const key = keyOf(domain.names)
      if (underWay.has(key) || this.running.has(key)) continue
      const at = this.dueAt(domain, certificates)
      if (at === undefined) continue
      if (at > now()) await this.settle(domain, certificates)
      const from = Math.max(at, held)
      if (from > now() || this.running.size >= MAX_AT_ONCE) next = Math.min(next, Math.max(from, now() + 1_000))
      else this.run(key, signal => this.order(domain, certificates, signal), domain)
    }
    if (!underWay.has(ASK)) next = Math.min(next, this.askAll(domains, certificates))
    return next - now()
  }

  private run(key: string, task: (signal: AbortSignal) => Promise<void>, domain?: KeptDomain): void {
    const { log, now } = this.options
    const stop = new AbortController()
    const done = task(AbortSignal.any([this.stopping.signal, stop.signal]))
      .then(() => void this.brokenUntil.delete(key))
      .catch((error: unknown) => {
        log.error('an order for a certificate broke', { names: key, error: String(error) })
        this.brokenUntil.set(key, now() + BROKEN_MS)
      })
      .finally(() => {
        this.running.delete(key)
        this.look()
      })
    this.running.set(key, { done, stop, domain })
  }

  /** Nobody wants their certificates any more. */
  private stopRemoved(domains: readonly KeptDomain[]): void {
    const isThere = (domain: KeptDomain) =>
      domains.some(({ name, createdAt }) => name === domain.name && createdAt.getTime() === domain.createdAt.getTime())
    for (const { domain, stop } of this.running.values()) {
      if (domain !== undefined && !isThere(domain)) stop.abort()
    }
    const keys = new Set(domains.map(({ names }) => keyOf(names)))
    for (const key of this.brokenUntil.keys()) if (key !== ASK && !keys.has(key)) this.brokenUntil.delete(key)
  }

  private dueAt(domain: KeptDomain, certificates: readonly KeptCertificate[]): number | undefined {
    const { isWanted, now } = this.options
    if (domain.isGivenUp || !isWanted(domain, certificates)) return undefined
    const renewsAt = this.currentOf(domain, certificates)?.renewsAt.getTime() ?? 0
    return Math.max(renewsAt, keptTime(domain.nextAt, now()), this.restsUntil(keyOf(domain.names)))
  }

  /** Of those that the CA of now has issued. */
  private currentOf(domain: KeptDomain, certificates: readonly KeptCertificate[]): KeptCertificate | undefined {
    return certificatesOf(domain, certificates).find(each => each.directory === this.options.directory)
  }

  private restsUntil(key: string): number {
    const until = this.brokenUntil.get(key) ?? 0
    return until > this.options.now() + BROKEN_MS ? 0 : until // the clock was set back
  }

  /** It has a certificate without an order of its own: it was removed and added again, or its process was killed at the end. */
  private async settle(domain: KeptDomain, certificates: readonly KeptCertificate[]): Promise<void> {
    const { records, changed, now } = this.options
    if (domain.state === 'issued' || domain.state === 'error') return
    const current = this.currentOf(domain, certificates)
    if (current === undefined || current.renewsAt.getTime() <= now()) return
    await records.changeDomain(domain.name, ISSUED)
    await changed()
  }

  private async order(
    domain: KeptDomain,
    certificates: readonly KeptCertificate[],
    signal: AbortSignal,
  ): Promise<void> {
    const order = new Order({ ...this.options, slot: () => this.slot(signal), signal })
    await order.run(domain, certificatesOf(domain, certificates))
  }

  /** Resolves when an order may be begun; what it resolves with has to be called when that is over. */
  private async slot(signal: AbortSignal): Promise<() => void> {
    if (this.ordering >= MAX_ORDERS_AT_ONCE) await new Promise<void>(resolve => void this.slots.push(resolve))
    else this.ordering++
    const { records, clock, now } = this.options
    const leave = () => {
      const next = this.slots.shift()
      if (next === undefined) this.ordering--
      else next()
    }
    try {
      for (;;) {
        const recent = await records.ordersSince(new Date(now() - LOOK_MS))
        const begun = Array.from({ length: this.begun }, () => ({ startedAt: new Date(now()) }))
        const freeAt = orderFreeAt([...begun, ...recent], now())
        if (freeAt === undefined || signal.aborted) break
        await pause(clock, Math.min(freeAt - now(), MAX_PAUSE_MS), signal)
      }
    } catch (error) {
      leave()
      throw error
    }
    this.begun++
    return () => {
      this.begun--
      leave()
    }
  }

  /** Asks the CA when to renew what is served, one after the other; when the next one is to be asked for. */
  private askAll(domains: readonly KeptDomain[], certificates: readonly KeptCertificate[]): number {
    const { directory, now } = this.options
    const served = domains.flatMap(domain => certificatesOf(domain, certificates).slice(0, 1))
    const ours = served.filter(each => each.directory === directory && each.notAfter.getTime() > now())
    const due = ours.filter(({ askAt }) => keptTime(askAt, now()) <= now())
    const isResting = this.restsUntil(ASK) > now()
    if (due.length > 0 && !isResting && !this.running.has(ASK)) this.run(ASK, signal => this.ask(due, signal))
    return Math.min(...ours.map(({ askAt }) => Math.max(askAt.getTime(), now() + 1_000)), now() + LOOK_MS)
  }

  private async ask(due: readonly KeptCertificate[], signal: AbortSignal): Promise<void> {
    const { records, issuer, authority, directory, now, random, log } = this.options
    for (const certificate of due) {
      const { id, names, chain, renewsAt, window: before } = certificate
      if (signal.aborted) return
      const held = keptTime((await records.account(directory))?.heldUntil, now())
      if (held > now()) {
        await records.setRenewal(id, { renewsAt, window: before, askAt: new Date(held) })
        continue
      }
      try {
        const found = await issuer.renewalInfo(authority(), chain, signal)
        const askAt = new Date(asksAt(found?.retryAfterMs, now(), random))
        const window = found && { start: new Date(found.start), end: new Date(found.end) }
        const isSame =
          before?.start.getTime() === window?.start.getTime() && before?.end.getTime() === window?.end.getTime()
        const at =
          isSame || found === undefined
            ? renewsAt
            : new Date(renewalWithin(momentIn(found, now(), random), certificate, now()))
        await records.setRenewal(id, { renewsAt: at, window, askAt })
        if (!isSame) log.info('the CA says when to renew', { names, at: at.toISOString(), url: found?.explanationUrl })
      } catch (error) {
        if (signal.aborted) return
        log.warn('the CA does not say when to renew', { names, error: String(error) })
        await records.setRenewal(id, { renewsAt, window: before, askAt: new Date(now() + ASK_AGAIN_MS) })
      }
    }
  }
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const over = Promise.withResolvers<void>()
  const timer = clock.after(Math.max(1, ms), over.resolve)
  const listening = addAbortListener(signal, () => over.resolve())
  try {
    await over.promise
  } finally {
    timer.clear()
    listening[Symbol.dispose]()
  }
}
