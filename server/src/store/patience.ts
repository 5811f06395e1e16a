// Waits for other programs that hold the database. SQLite would sleep while it waits, in the thread that carries traffic;
// here it gives up at once, and what was refused is tried again after an awaited pause. Only what SQLite refused before it
// began is tried again, so nothing is ever written twice.
import { setTimeout as pause } from 'node:timers/promises'
import type { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { sqliteCodeOf } from './failures.ts'

/** A class with secrets of its own: what Prisma needs of it. */
type Database = Pick<PrismaBetterSqlite3, 'provider' | 'adapterName' | 'connect'>
type Connection = Awaited<ReturnType<PrismaBetterSqlite3['connect']>>
type Transaction = Awaited<ReturnType<Connection['startTransaction']>>
type Query = Parameters<Connection['queryRaw']>[0]

/** What SQLite itself may sleep for, milliseconds. */
export const SLEEP_MS = 1
/** How long to wait for other programs before giving up, milliseconds. */
export const PATIENCE_MS = 5_000
/** Between two attempts, milliseconds; up to twice that, so that several processes do not meet each time. */
const PAUSE_MS = 20

/** The same database, with connections that wait for others. */
export function patient(database: Database): Database {
  const { provider, adapterName } = database
  return { provider, adapterName, connect: async () => new PatientConnection(await database.connect()) }
}

class PatientConnection implements Connection {
  readonly provider
  readonly adapterName
  private readonly connection: Connection
  /** Resolves when all writes that were asked for have ended. */
  private written = Promise.resolve()

  constructor(connection: Connection) {
    this.connection = connection
    this.provider = connection.provider
    this.adapterName = connection.adapterName
  }

  async queryRaw(query: Query) {
    const ask = () => this.connection.queryRaw(query)
    // Readers need not wait for writers; an INSERT with RETURNING comes this way too.
    return /^\s*(SELECT|PRAGMA)\b/i.test(query.sql) ? await patiently(ask, deadline()) : await this.inTurn(ask)
  }

  async executeRaw(query: Query) {
    return await this.inTurn(() => this.connection.executeRaw(query))
  }

  async executeScript(script: string) {
    await this.inTurn(() => this.connection.executeScript(script))
  }

  /** Begins with the right to write, for which it waits; from then on nothing has to wait, the commit neither. */
  async startTransaction(): Promise<Transaction> {
    const { provider, adapterName, connection } = this
    const until = deadline()
    const end = await this.turn()
    try {
      await patiently(() => connection.executeRaw(statement('BEGIN IMMEDIATE')), until)
    } catch (error) {
      end()
      throw error
    }
    return {
      provider,
      adapterName,
      // Prisma says COMMIT and ROLLBACK by itself, and then calls these.
      options: { usePhantomQuery: false },
      queryRaw: query => connection.queryRaw(query),
      executeRaw: query => connection.executeRaw(query),
      commit: async () => end(),
      rollback: async () => {
        // A commit that failed is not rolled back by Prisma; most often there is nothing left to do.
        try {
          await connection.executeRaw(statement('ROLLBACK'))
        } catch {}
        end()
      },
    }
  }

  async dispose() {
    await this.connection.dispose()
  }

  /** One at a time and in their order: there is one connection, and what one writes is not to be part of another's transaction. */
  private async inTurn<T>(write: () => Promise<T>): Promise<T> {
    const until = deadline()
    const end = await this.turn()
    try {
      return await patiently(write, until)
    } finally {
      end()
    }
  }

  /** Resolves, when it is the caller's turn, with what ends it. */
  private async turn(): Promise<() => void> {
    const before = this.written
    const { promise, resolve } = Promise.withResolvers<void>()
    this.written = promise
    await before
    return resolve
  }
}

/** Counted from each request, so that all that wait in a row give up in time; each tries at least once. */
function deadline(): number {
  return performance.now() + PATIENCE_MS
}

/** Tries until no other program stands in the way, or rejects with SQLite's error when that takes too long. */
async function patiently<T>(call: () => Promise<T>, until: number): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!sqliteCodeOf(error).startsWith('SQLITE_BUSY') || performance.now() >= until) throw error
    }
    await pause(PAUSE_MS * (1 + Math.random()))
  }
}

function statement(sql: string): Query {
  return { sql, args: [], argTypes: [] }
}
