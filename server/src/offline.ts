// What can be done without a running server: setting one up, and the owner's verbs on its database. A server that runs notices within a second.
import { systemClock } from '@pbt/proto'
import { TokenCheck } from './access/token-check.ts'
import { hashToken, newToken, TokenBook } from './access/tokens.ts'
import { openDevelopmentAuthority } from './certs/development-authority.ts'
import { type Config, DEVELOPMENT_DOMAIN, type Settings } from './config/config.ts'
import { Failure } from './failure.ts'
import { type NewEvent, newEvent, type Tell } from './owner/event.ts'
import type { Owner } from './owner/owner.ts'
import { LogStore } from './store/log-store.ts'
import { makeStore, openStore } from './store/store.ts'
import { verbsOver } from './verbs.ts'

/** What is there after `initialise`. */
export interface Initialised {
  /** Shown once. */
  readonly token: string
  /** The certificate of the development authority, when there is one. */
  readonly authorityFile: string | undefined
}

/**
 * Makes the data directory, the database, the certificates' authority and the first token. Rejects with Failure. `lineOf`: the line
 * that runs another command with the same settings.
 */
export async function initialise(
  { dataDir, baseDomain, tlsCert }: Config,
  lineOf: (command: string) => string,
): Promise<Initialised> {
  const store = await makeStore(dataDir)
  try {
    const isDevelopment = baseDomain === DEVELOPMENT_DOMAIN && tlsCert.length === 0
    // Before the token: whoever has the token finds everything else made.
    const authority = isDevelopment ? openDevelopmentAuthority(dataDir) : undefined
    const token = newToken()
    if (!(await store.tokens.addFirst(hashToken(token), 'first'))) throw alreadyInitialised(dataDir, lineOf)
    return { token, authorityFile: authority?.file }
  } finally {
    await store.close()
  }
}

/** Calls with the owner's verbs on the database. Rejects with Failure, and with what `call` rejects with. */
export async function withOwner<T>(settings: Settings, call: (owner: Owner) => Promise<T>): Promise<T> {
  const { dataDir, accessLogDays, accessLogMegabytes } = settings.config
  const store = await openStore(dataDir)
  const records = new LogStore({ dataDir, limits: { days: accessLogDays, bytes: accessLogMegabytes * 1_000_000 } })
  const told: NewEvent[] = []
  const tell: Tell = happening => void told.push(newEvent(happening, new Date()))
  try {
    const tokens = new TokenBook(await store.tokens.live())
    const owner = verbsOver({
      ...{ settings, store, records, tokens, check: new TokenCheck(tokens, systemClock), tell, clock: systemClock },
      loginRefused: () => {},
      onError: () => {},
      // No server runs here.
      changed: async () => {},
      running: undefined,
    })
    return await call(owner)
  } finally {
    // What was done is done, whether it can be told or not.
    if (told.length > 0) await store.events.append(told).catch(() => {})
    await records.close()
    await store.close()
  }
}

function alreadyInitialised(dataDir: string, lineOf: (command: string) => string): Failure {
  return new Failure('already-initialised', `${dataDir} is set up already, and its token is shown only once`, {
    cure: `run "${lineOf('start')}"; "${lineOf('token rotate')}" makes a new token; for another server beside this one choose another --data-dir`,
  })
}
