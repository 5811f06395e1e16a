// `pbt-server init`: makes the data directory, the database and the certificates' authority, and shows the first token.
import { hashToken, newToken } from '../access/tokens.ts'
import { openDevelopmentAuthority } from '../certs/development-authority.ts'
import { DEVELOPMENT_DOMAIN, loadConfig } from '../config.ts'
import { Failure } from '../failure.ts'
import { makeStore } from '../store/store.ts'
import { type Command, warnIn } from './command.ts'

export const init: Command = {
  name: 'init',
  summary: 'make the data directory and print the first token, once',
  run: async ({ config: file, flags }, output, context) => {
    const { dataDir, baseDomain, tlsCert } = loadConfig(file, flags, warnIn(context))
    const store = await makeStore(dataDir)
    try {
      const isDevelopment = baseDomain === DEVELOPMENT_DOMAIN && tlsCert.length === 0
      // Before the token: whoever has the token finds everything else made.
      const authority = isDevelopment ? openDevelopmentAuthority(dataDir) : undefined
      const token = newToken()
      if (!(await store.tokens.addFirst(hashToken(token), 'first'))) throw alreadyInitialised(dataDir)
      output({ event: 'initialised', token, dataDir, ...(authority === undefined ? {} : { ca: authority.file }) })
    } finally {
      await store.close()
    }
  },
}

function alreadyInitialised(dataDir: string): Failure {
  return new Failure('already-initialised', `${dataDir} is set up already, and its token is shown only once`, {
    cure: 'run "pbt-server start"; for another server beside this one choose another --data-dir',
  })
}
