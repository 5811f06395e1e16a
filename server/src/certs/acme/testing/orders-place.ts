// The scheduler over a real database, with a clock and a CA that the test moves.
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import type { Log } from '../../../observe/log.ts'
import { makeStore, openStore, type Store } from '../../../store/store.ts'
import { authorityCertificate, leafCertificate } from '../../certificate.ts'
import { Challenges } from '../challenges.ts'
import { KeyFiles } from '../key-files.ts'
import { Orders } from '../orders.ts'
import type { KeptDomain, OrderRecords } from '../records.ts'
import type { Check, Issued, IssueFailure, IssueRequest, RenewalInfo } from '../types.ts'

export const MINUTE = 60_000
export const DAY = 86_400_000
export const DIRECTORY = 'https://ca.test/directory'

const authority = { name: 'a test CA', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
const root = authorityCertificate(authority, new Date(Date.now() + 3_650 * DAY))

/** A certificate for the first name. */
export function issued({ names, key }: Pick<IssueRequest, 'names' | 'key'>, notAfter: number): Issued {
  const leaf = leafCertificate(authority, names[0] ?? '', createPublicKey(key), new Date(notAfter))
  return { isIssued: true, chain: leaf + root, accountUrl: 'https://ca.test/account/1' }
}

/** One with another's key. */
export function unusable(names: readonly string[], notAfter: number): Issued {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return issued({ names, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }, notAfter)
}

export function refused(change: Partial<IssueFailure> = {}): IssueFailure {
  return {
    ...{ isIssued: false, code: 'ca', type: 'unauthorized', message: 'wrong answer', stage: 'challenge', name: '' },
    ...{ retryAfterMs: undefined, pausedLink: '', ...change },
  } as IssueFailure
}

interface Asked extends IssueRequest {
  readonly at: number
}

/** What a test says of the CA and the world, and what it sees. */
export interface Place {
  store: Store
  readonly records: OrderRecords
  readonly clock: FakeClock
  readonly keys: KeyFiles
  readonly now: () => number
  readonly asked: Asked[]
  readonly ariAsked: number[]
  readonly told: string[]
  readonly dataDir: string
  /** What the CA does with an order. */
  issue: (request: Asked, place: Place) => Issued | IssueFailure | Promise<Issued | IssueFailure>
  ari: () => RenewalInfo | undefined
  checks: Check[]
  /** A method of the database that is to fail, once. */
  breaks: string
  /** The wall clock is set. */
  skewMs: number
  add(name: string, also?: readonly string[]): Promise<void>
  domain(name: string): Promise<KeptDomain>
  /** Lets so much time pass at once, then all that is due happen. */
  pass(ms: number): Promise<void>
  /** The same, until just after this time. */
  passTo(time: number): Promise<void>
  /** Nothing more happens without time. */
  quiet(): Promise<void>
  scheduler(holder?: string): Orders
  restart(orders: Orders): Promise<Orders>
}

export async function place(t: TestContext): Promise<Place> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-orders-'))
  const clock = new FakeClock()
  const start = Date.now()
  const made: Orders[] = []
  const { records, isBusy } = recordsOf(() => it)
  const it: Place = {
    ...{ store: await makeStore(dataDir), records, clock, keys: new KeyFiles(dataDir), dataDir },
    ...{ asked: [], ariAsked: [], told: [], checks: [], breaks: '', skewMs: 0 },
    now: () => start + Math.round(clock.now()) + it.skewMs,
    issue: request => issued(request, request.at + 90 * DAY),
    ari: () => undefined,
    add: async (name, also = []) => {
      await it.store.domains.addDomain({ name, names: [name, ...also], proof: 'http', isBase: false })
    },
    domain: async name => {
      const found = await it.store.domains.domain(name)
      if (found === undefined) throw new Error(`no ${name}`)
      return found
    },
    pass: async ms => {
      clock.advance(ms)
      await it.quiet()
    },
    passTo: async time => await it.pass(time + 1_500 - it.now()),
    quiet: async () => {
      for (let still = 0; still < 5; still = isBusy() ? 0 : still + 1) await turn()
    },
    scheduler: (holder = 'this process') => {
      const orders = new Orders(optionsOf(it, holder))
      made.push(orders)
      return orders
    },
    restart: async orders => {
      await orders.stop()
      await it.store.close()
      it.store = await openStore(dataDir)
      const next = it.scheduler()
      next.start()
      await it.quiet()
      return next
    },
  }
  await it.store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  t.after(() => leave(it, made))
  return it
}

/** The database's methods as the place has them now: one of them fails when it is to, and it is seen while any is at work. */
function recordsOf(place: () => Place): { readonly records: OrderRecords; readonly isBusy: () => boolean } {
  let busy = 0
  const records = new Proxy({} as OrderRecords, {
    get: (_, name: keyof OrderRecords) => {
      return async (...given: unknown[]) => {
        const it = place()
        if (it.breaks === name) {
          it.breaks = ''
          throw new Error(`${name}: database or disk is full`)
        }
        busy++
        try {
          const table = it.store.domains
          return await (table[name] as (...given: unknown[]) => Promise<unknown>).apply(table, given)
        } finally {
          busy--
        }
      }
    },
  })
  return { records, isBusy: () => busy > 0 }
}

async function leave(it: Place, made: readonly Orders[]): Promise<void> {
  for (const orders of made) {
    const stopped = orders.stop()
    await it.pass(MINUTE)
    await stopped
  }
  await it.store.close()
  rmSync(it.dataDir, { recursive: true })
}

function optionsOf(it: Place, holder: string): ConstructorParameters<typeof Orders>[0] {
  const { records, clock, keys, now, told } = it
  const log: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => log }
  return {
    ...{ records, keys, clock, now, log, holder, directory: DIRECTORY, baseDomain: 'b.test', email: '', profile: '' },
    challenges: new Challenges({ records, zone: 'acme.b.test', hasOthers: () => false, clock }),
    preflight: {
      async *check() {
        yield* it.checks
      },
    },
    issuer: {
      issue: async request => {
        const asked = { ...request, at: now() }
        it.asked.push(asked)
        return await it.issue(asked, it)
      },
      renewalInfo: async () => {
        it.ariAsked.push(now())
        return it.ari()
      },
    },
    authority: () => ({ directory: DIRECTORY, ca: '' }),
    ariIdOf: chain => new X509Certificate(chain).serialNumber,
    isWanted: () => true,
    isGone: () => false,
    changed: async () => {},
    random: Math.random,
    news: {
      added: name => told.push(`added ${name}`),
      verified: name => told.push(`verified ${name}`),
      ordered: name => told.push(`ordered ${name}`),
      issued: name => told.push(`issued ${name}`),
      renewed: name => told.push(`renewed ${name}`),
      failed: name => told.push(`failed ${name}`),
    },
  }
}
