// Opens what is kept: the database of what lasts, and the log of what visitors do.
import { countedAs } from '../access/peer-address.ts'
import { AccessLog } from '../observe/access-log.ts'
import type { Log } from '../observe/log.ts'
import { Refusals } from '../observe/refusals.ts'
import { holdDataDir } from './data-hold.ts'
import { LogStore } from './log-store.ts'
import { isSetUp, openStore, type Store } from './store.ts'

/** Where it is kept, and how much of the access log. */
export interface StoresOptions {
  readonly dataDir: string
  /** What the kernel knows the sockets by that outlive this process. */
  readonly sockets: readonly string[]
  /** 0 keeps no records. */
  readonly accessLogDays: number
  readonly accessLogBytes: number
  readonly log: Log
}

/** The open database and access log; `end` is called once. */
export interface Stores {
  readonly store: Store
  readonly access: AccessLog
  /** What visitors did, to be asked. */
  readonly records: LogStore
  readonly turnedAway: Refusals
  /** Ends when what visitors did is written; after everything that writes. */
  end(): Promise<void>
}

/** Throws Failure, also when another server has the data directory. */
export async function openStores(options: StoresOptions): Promise<Stores> {
  // Before the database is opened, which would migrate it beneath the other server.
  const release = isSetUp(options.dataDir) ? holdDataDir(options.dataDir, options.sockets) : () => {}
  try {
    const { end, ...stores } = await openAll(options)
    return {
      ...stores,
      end: async () => {
        await end()
        release()
      },
    }
  } catch (error) {
    release()
    throw error
  }
}

async function openAll({ dataDir, accessLogDays, accessLogBytes, log }: StoresOptions): Promise<Stores> {
  const store = await openStore(dataDir)
  if (store.applied.length > 0) log.info('database migrated', { migrations: store.applied })
  try {
    // A file that cannot be written stops nothing.
    const logStore = new LogStore({ dataDir, limits: { days: accessLogDays, bytes: accessLogBytes } })
    const turnedAway = new Refusals(countedAs)
    const access = new AccessLog({
      write: logStore.write,
      hasRecords: accessLogDays > 0,
      refusals: turnedAway,
      log: log.child({ room: 'observe' }),
    })
    const end = async () => {
      await access.close()
      await logStore.close()
      await store.close()
    }
    return { store, access, records: logStore, turnedAway, end }
  } catch (error) {
    await store.close()
    throw error
  }
}
