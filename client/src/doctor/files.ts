// The first steps: what is stored here, by whom it can be read, and what it says.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, proxyOf, readSettings, type Settings } from '../config/config.ts'
import { formatProxy } from '../config/proxy.ts'
import { formatServer } from '../config/server-address.ts'
import { Failure } from '../failure.ts'
import { type Check, failed, notChecked, ok } from './check.ts'

/** Nobody but the owner. */
const OTHERS = 0o077

/** The file that `pbt init` writes, and its directory. */
export function checkFiles(home: string): Check {
  const path = join(home, 'config.json')
  for (const each of [home, path]) {
    try {
      const { mode, uid } = statSync(each)
      if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
        const cure = `chmod ${each === home ? '700' : '600'} ${each}; if others may have read the token: pbt-server token rotate`
        return failed('files', `others can read ${each} (mode ${(mode & 0o777).toString(8)})`, cure)
      }
      const me = process.getuid?.()
      if (me !== undefined && me !== 0 && uid !== me) {
        return failed(
          'files',
          `${each} belongs to another user (${uid})`,
          `chown it to yourself, or run "pbt init" again`,
        )
      }
    } catch (error) {
      if (isMissing(error))
        return notChecked('files', `nothing is stored in ${home}`, 'run "pbt init --server HOST[:PORT]"')
      return failed('files', `${each} cannot be read: ${textOf(error)}`, 'give yourself the right to read it')
    }
  }
  return ok('files', `${path} is there, for its owner only`)
}

/** What is configured; undefined where that is not enough to go on. */
export function checkSettings(env: Environment): {
  readonly checks: readonly Check[]
  readonly settings: Settings | undefined
} {
  try {
    const settings = readSettings(env)
    const from = settings.isTokenStored ? 'stored' : 'in PBT_TOKEN or PBT_TOKEN_FILE'
    const trust = settings.ca === undefined ? 'the usual authorities' : 'an authority of its own'
    const message = `server ${formatServer(settings.server)}, a token (${from}), ${trust}`
    return { checks: [ok('settings', message), proxyCheck(env, settings)], settings }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { checks: [failed('settings', error.message, error.cure)], settings: undefined }
  }
}

function proxyCheck(env: Environment, { server, proxy }: Settings): Check {
  if (proxy !== undefined) {
    const credentials = proxy.authorization === undefined ? '' : ', with a user and a password'
    return ok('proxy', `the way to the server goes through ${formatProxy(proxy)}${credentials}`)
  }
  const isNamed = Boolean(env.https_proxy || env.HTTPS_PROXY)
  const isOther = isNamed && proxyOf(env, server) === undefined
  return ok('proxy', isOther ? 'HTTPS_PROXY is not for this server' : 'none on the way')
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
