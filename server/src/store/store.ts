// The one door to the database: makes it, opens it, and hands out what can be remembered.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { Failure } from '../failure.ts'
import { AddressTable } from './addresses.ts'
import { ClientTable } from './clients.ts'
import { isThere, makeDataDir, makePrivate } from './data-dir.ts'
import { DomainTable } from './domains.ts'
import { EventTable } from './events.ts'
import { databaseFailure } from './failures.ts'
import { PrismaClient } from './generated/client.ts'
import { migrate } from './migrate.ts'
import { PanelSessions } from './panel-sessions.ts'
import { PATIENCE_MS, patient, SLEEP_MS } from './patience.ts'
import { Tokens } from './tokens.ts'
import { TunnelTable } from './tunnels.ts'

/** The number of `PRAGMA synchronous = FULL`. */
const SYNCHRONOUS_FULL = 2

/** In the data directory. */
export const DATABASE_FILE = 'pbt.db'
/** Of that database. */
export const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'migrations')

/** One database, open until `close`; its tables cannot be used after that. */
export interface Store {
  readonly tokens: Tokens
  readonly addresses: AddressTable
  readonly tunnels: TunnelTable
  readonly clients: ClientTable
  readonly domains: DomainTable
  readonly events: EventTable
  readonly panelSessions: PanelSessions
  /** Migrations applied when it was opened. */
  readonly applied: readonly string[]
  /** Another number after each change by another process, the same one otherwise. */
  version(): Promise<number>
  close(): Promise<void>
}

/** Makes the data directory and the database where they are missing, and opens it. Throws Failure. */
export async function makeStore(dataDir: string): Promise<Store> {
  makeDataDir(dataDir)
  const file = join(dataDir, DATABASE_FILE)
  // Made empty and private first: SQLite gives its journal files the same permissions.
  if (!isThere(file)) closeSync(openSync(file, 'a', 0o600))
  return open(file)
}

/** Whether there is a database. Throws Failure. */
export function isSetUp(dataDir: string): boolean {
  return isThere(join(dataDir, DATABASE_FILE))
}

/** Opens a database that is there. Throws Failure; `not-initialised` when there is none. */
export async function openStore(dataDir: string): Promise<Store> {
  const file = join(dataDir, DATABASE_FILE)
  if (!isThere(file)) throw notInitialised(dataDir)
  const store = await open(file)
  if ((await store.tokens.live()).length > 0) return store
  await store.close()
  throw notInitialised(dataDir)
}

function notInitialised(dataDir: string): Failure {
  return new Failure('not-initialised', `no server is set up in ${dataDir}`, {
    cure: 'run "pbt-server init" with the same settings, or name the right directory with --data-dir',
  })
}

async function open(file: string): Promise<Store> {
  try {
    makePrivate(file)
    const applied = migrate(file, MIGRATIONS)
    const adapter = patient(new PrismaBetterSqlite3({ url: `file:${file}`, timeout: SLEEP_MS }))
    // Prisma must not give up before the connection does.
    const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait: 2 * PATIENCE_MS } })
    await makeDurable(prisma)
    return {
      tokens: inWords(new Tokens(prisma), file),
      addresses: inWords(new AddressTable(prisma), file),
      tunnels: inWords(new TunnelTable(prisma), file),
      clients: inWords(new ClientTable(prisma), file),
      domains: inWords(new DomainTable(prisma), file),
      events: inWords(new EventTable(prisma), file),
      panelSessions: inWords(new PanelSessions(prisma), file),
      applied,
      version: async () => {
        const [row] = await prisma.$queryRaw<{ data_version: bigint }[]>`PRAGMA data_version`
        return Number(row?.data_version)
      },
      close: () => prisma.$disconnect(),
    }
  } catch (error) {
    throw databaseFailure(error, file)
  }
}

/** What was acknowledged survives a power cut; better-sqlite3's own default with WAL is NORMAL, which does not. */
async function makeDurable(prisma: PrismaClient): Promise<void> {
  await prisma.$queryRawUnsafe('PRAGMA synchronous = FULL')
  // A pragma that cannot be set says nothing, and the adapter might open another connection some day.
  const [row] = await prisma.$queryRaw<{ synchronous: bigint }[]>`PRAGMA synchronous`
  if (Number(row?.synchronous) !== SYNCHRONOUS_FULL) throw new Error('the database does not sync to the disk')
}

/** The same table; what SQLite says is told in words with a cure when one of its promises rejects. */
function inWords<Table extends object>(table: Table, file: string): Table {
  return new Proxy(table, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return async (...values: unknown[]) => {
        try {
          return await member.apply(target, values)
        } catch (error) {
          throw databaseFailure(error, file)
        }
      }
    },
  })
}
