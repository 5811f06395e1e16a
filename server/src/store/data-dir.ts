// The data directory: made for its owner alone, and checked before anything is kept in it.
import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs'
import { Failure, systemCodeOf } from '../failure.ts'

/** Only for the user the server runs as: the directory and the files in it. */
const PRIVATE_DIRECTORY = 0o700
const PRIVATE_FILE = 0o600

/** Makes the directory if need be and takes others' access away. Throws Failure `data-dir`. */
export function makeDataDir(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY })
    chmodSync(directory, PRIVATE_DIRECTORY)
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new Failure('data-dir', `cannot make the data directory ${directory} (${systemCodeOf(cause)})`, {
      cure: 'choose another with --data-dir, or give the user that runs pbt-server access to it',
      cause,
    })
  }
}

/** Whether the file is there. What cannot be looked at is not taken for missing: throws Failure `data-dir`. */
export function isThere(file: string): boolean {
  try {
    statSync(file)
    return true
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return false
    throw new Failure('data-dir', `cannot look at ${file} (${systemCodeOf(cause)})`, {
      cure: 'give the user that runs pbt-server access to the data directory',
      cause,
    })
  }
}

/**
 * Takes others' access to the file away. Throws Failure `database-read-only` when the server itself cannot write it:
 * SQLite would open it all the same, and fail only at the first change.
 */
export function makePrivate(file: string): void {
  try {
    accessSync(file, constants.R_OK | constants.W_OK)
    chmodSync(file, PRIVATE_FILE)
  } catch (cause) {
    throw new Failure('database-read-only', `the database cannot be written: ${file} (${systemCodeOf(cause)})`, {
      cure: 'give the user that runs pbt-server write access to the data directory, or mount its disk writable',
      cause,
    })
  }
}
