// The scheduler: which domain is looked at or ordered for when, and what comes of it. One process of a server has it at a time.
import type { Clock, Timer } from '@pbt/proto'
import type { Log } from '../../observe/log.ts'
import type { KeyFiles } from './key-files.ts'
import { Order, type OrderOptions } from './order.ts'
import type { KeptCertificate, KeptDomain, OrderRecords } from './records.ts'
import { ASK_AGAIN_MS, asksAt, momentIn, type Random } from './renewal.ts'
import { certificatesOf } from './source.ts'
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
  private readonly running = new Map<string, Promise<void>>()
  /** What broke here, as a database does that is full, rests for a while. Few names: those of the domains. */
  private readonly brokenUntil = new Map<string, number>()
  private readonly slots: (() => void)[] = []
  private ordering = 0
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
    await Promise.allSettled(this.running.values())
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
    if (this.isHolder && this.leaseUntil - now() > LEASE_MS / 2) return true
    const until = now() + LEASE_MS
    const isNew = !this.isHolder
    this.isHolder = await records.lease(holder, new Date(until), isGone)
    this.leaseUntil = until
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
    const { records, now } = this.options
    const [domains, certificates] = [await records.domains(), await records.certificates()]
    let next = now() + LOOK_MS
    for (const domain of domains) {
      if (this.running.has(domain.name)) continue
      const at = await this.dueAt(domain, certificates)
      if (at === undefined) continue
      if (at > now() || this.running.size >= MAX_AT_ONCE) next = Math.min(next, Math.max(at, now() + 1_000))
      else this.run(domain.name, () => this.order(domain, certificates))
    }
    next = Math.min(next, this.askAll(domains, certificates))
    return next - now()
  }

  private run(name: string, task: () => Promise<void>): void {
    const { log, now } = this.options
    const running = task()
      .catch((error: unknown) => {
        log.error('an order for a certificate broke', { name, error: String(error) })
        this.brokenUntil.set(name, now() + BROKEN_MS)
      })
      .finally(() => {
        this.running.delete(name)
        this.look()
      })
    this.running.set(name, running)
  }

  private async dueAt(domain: KeptDomain, certificates: readonly KeptCertificate[]): Promise<number | undefined> {
    const { directory, isWanted, records } = this.options
    if (domain.isGivenUp || !isWanted(domain, certificates)) return undefined
    const held = (await records.account(directory))?.heldUntil?.getTime() ?? 0
    const current = certificatesOf(domain, certificates).find(each => each.directory === directory)
    return Math.max(
      current?.renewsAt.getTime() ?? 0,
      domain.nextAt?.getTime() ?? 0,
      held,
      this.brokenUntil.get(domain.name) ?? 0,
    )
  }

  private async order(domain: KeptDomain, certificates: readonly KeptCertificate[]): Promise<void> {
    const order = new Order({ ...this.options, slot: () => this.slot(), signal: this.stopping.signal })
    await order.run(domain, certificatesOf(domain, certificates))
  }

  /** Resolves when an order may be begun; what it resolves with has to be called when that is over. */
  private async slot(): Promise<() => void> {
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
        const freeAt = orderFreeAt(await records.ordersSince(new Date(now() - LOOK_MS)), now())
        if (freeAt === undefined || this.stopping.signal.aborted) return leave
        await this.pause(clock, freeAt - now())
      }
    } catch (error) {
      leave()
      throw error
    }
  }

  private async pause(clock: Clock, ms: number): Promise<void> {
    const { signal } = this.stopping
    await new Promise<void>(resolve => {
      const timer = clock.after(Math.max(1, ms), resolve)
      signal.addEventListener(
        'abort',
        () => {
          timer.clear()
          resolve()
        },
        { once: true },
      )
    })
  }

  /** Asks the CA when to renew what is served, one after the other; when the next one is to be asked for. */
  private askAll(domains: readonly KeptDomain[], certificates: readonly KeptCertificate[]): number {
    const { directory, now } = this.options
    const served = domains.flatMap(domain => certificatesOf(domain, certificates).slice(0, 1))
    const ours = served.filter(each => each.directory === directory)
    const due = ours.filter(({ askAt }) => askAt.getTime() <= now())
    const key = ':ask' // no domain has such a name
    const isBroken = (this.brokenUntil.get(key) ?? 0) > now()
    if (due.length > 0 && !isBroken && !this.running.has(key)) this.run(key, () => this.ask(due))
    return Math.min(...ours.map(({ askAt }) => Math.max(askAt.getTime(), now() + 1_000)), now() + LOOK_MS)
  }

  private async ask(due: readonly KeptCertificate[]): Promise<void> {
    const { records, issuer, authority, directory, now, random, log } = this.options
    const held = (await records.account(directory))?.heldUntil?.getTime() ?? 0
    for (const { id, names, chain, renewsAt, window: before } of due) {
      if (this.stopping.signal.aborted) return
      if (held > now()) {
        await records.setRenewal(id, { renewsAt, window: before, askAt: new Date(held) })
        continue
      }
      try {
        const found = await issuer.renewalInfo(authority(), chain, this.stopping.signal)
        const askAt = new Date(asksAt(found?.retryAfterMs, now(), random))
        const window = found && { start: new Date(found.start), end: new Date(found.end) }
        const isSame =
          before?.start.getTime() === window?.start.getTime() && before?.end.getTime() === window?.end.getTime()
        const at =
          isSame || window === undefined ? renewsAt : new Date(momentIn(found ?? { start: 0, end: 0 }, now(), random))
        await records.setRenewal(id, { renewsAt: at, window, askAt })
        if (!isSame) log.info('the CA says when to renew', { names, at, url: found?.explanationUrl })
      } catch (error) {
        log.warn('the CA does not say when to renew', { names, error: String(error) })
        await records.setRenewal(id, { renewsAt, window: before, askAt: new Date(now() + ASK_AGAIN_MS) })
      }
    }
  }
}
