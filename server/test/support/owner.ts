// The owner at the server: its API as commands call it, over the socket in the data directory.
import { join } from 'node:path'
import { type ApiClients, clientsAt } from '../../src/api/client.ts'
import { socketDirectory } from '../../src/api/open.ts'
import type { RunningServer } from './programs.ts'

/** The API of this server. */
export function ownerOf({ dataDir, program }: RunningServer): ApiClients {
  return clientsAt(join(socketDirectory(dataDir), `${program.pid}.sock`))
}

/** The environment of a client that a person runs, and of one that something restarts. */
export const BY_HAND = { PBT_UNATTENDED: '0' }
export const BY_ITSELF = { PBT_UNATTENDED: '1' }

/** What is promised to happen within a second; machines that run tests are busy. */
export const PROMISED_MS = 5_000
/** From the server's answer on, which comes when it is done: what a busy machine delays is delayed before. */
export const SEEN_MS = 1_000
