// What the writer and the reader of the access log's database have in common.
import { join } from 'node:path'
import { KEPT_FIELDS } from '../observe/tally.ts'

/** In the data directory. */
export const LOG_FILE = 'access.db'
/** For its test. */
export const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'log', 'migrations')

/** The name under which figures of all tunnels together are kept: none can be called so. */
export const ALL_TUNNELS = '*'

/** A batch is gathered in less than this, milliseconds, as long as the disk keeps up. */
export const GATHER_MS = 1_000

/** Minutes of an hour, hours of a day. */
export const [MINUTES, HOURS] = [60, 24]

/** Columns of a SELECT that adds up every figure under its own name. */
export const SUMS = KEPT_FIELDS.map(name => `SUM(${name}) AS ${name}`).join(', ')
