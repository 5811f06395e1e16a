// The client's settings: from the environment and the file that `pbt init` writes, read once, all problems at once.
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { expandHome, homeDirectory, PATH_EXPECTED, xdgDirectory } from '../../../launch/home-path.ts'
import { Failure } from '../failure.ts'
import { type HttpProxy, proxyFor } from './proxy.ts'
import { formatServer, isLoopback, linkName, parseServer, type ServerAddress } from './server-address.ts'
import { readStored, type Stored } from './stored.ts'

/** The variables that pbt reads; nothing else looks at the environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Everything needed to reach the server. */
export interface Settings {
  readonly home: string
  readonly server: ServerAddress
  /** Secret: never shown, logged or put into an argument. */
  readonly token: string
  /** A new token from the server can be kept only where pbt itself wrote the old one. */
  readonly isTokenStored: boolean
  /** PEM of the only authority trusted for the server; undefined: the usual ones. */
  readonly ca: string | undefined
  /** The proxy on the way to the server; undefined: none. */
  readonly proxy: HttpProxy | undefined
}

/** What a command's own arguments say; it comes before the environment and the stored file. */
export interface Given {
  readonly server?: string
  readonly token?: string
  /** Path of a PEM file. */
  readonly ca?: string
}

/** Longer than any token ever made; bounds what goes into a header. */
const MAX_TOKEN_CHARS = 1024

/** The service of the system and its home, see daemon/unit.ts. */
const SYSTEM = { unit: '/etc/systemd/system/pbt.service', home: '/var/lib/pbt' } as const

/**
 * The directory of the client's files: PBT_HOME, else pbt/ in XDG_CONFIG_HOME, else ~/.config/pbt; for root that of the system's
 * daemon where that is installed and root has none. Throws Failure `usage`.
 */
export function homeOf(env: Environment): string {
  if (env.PBT_HOME) return pathOf(env.PBT_HOME, 'PBT_HOME', env)
  const own = join(xdgDirectory(env.XDG_CONFIG_HOME, homeDirectory(env), '.config'), 'pbt')
  const isSystems = process.getuid?.() === 0 && existsSync(SYSTEM.unit) && !existsSync(own)
  return isSystems ? SYSTEM.home : own
}

/** The tunnels that the daemon of a home keeps up. */
export function tunnelsFileOf(home: string): string {
  return join(home, 'tunnels.yaml')
}

/** The directory of the log: pbt/ in XDG_STATE_HOME, else ~/.local/state/pbt; with PBT_HOME state/ in that. Throws Failure `usage`. */
export function stateOf(env: Environment): string {
  if (env.PBT_HOME) return join(homeOf(env), 'state')
  return join(xdgDirectory(env.XDG_STATE_HOME, homeDirectory(env), '.local/state'), 'pbt')
}

/** A path as it was given. Throws Failure `usage`. */
function pathOf(path: string, what: string, env: Environment): string {
  const whole = expandHome(path, homeDirectory(env))
  if (whole === undefined) throw new Failure('usage', `${what} "${path}" must be ${PATH_EXPECTED}`)
  return whole
}

/** Those that pbt reads, that its launcher sets, and that are for the server and the demonstration on the same machine. */
const KNOWN_VARIABLE = /^PBT_(SERVER|TOKEN|TOKEN_FILE|CA|HOME|UNATTENDED|IGNORED_SIGNALS|(SERVER|DEMO)_.+)$/

/** Variables that look like pbt's and are none: slips, or of a container platform that has a service of that name. */
export function unknownVariables(env: Environment): string[] {
  return Object.keys(env).filter(name => name.startsWith('PBT_') && !KNOWN_VARIABLE.test(name))
}

/** Reads the settings. Throws one Failure that names every problem: `not-configured`, or `usage` for bad values. */
export function readSettings(env: Environment, given: Given = {}): Settings {
  const home = homeOf(env)
  const problems: Failure[] = []
  const collect = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problems.push(error)
      return undefined
    }
  }
  const stored = collect(() => readStored(home))
  if (stored === undefined && problems.length > 0) {
    // A damaged file matters only to those who need it: `pbt init` writes it anew.
    const isNeeded = !(given.server ?? env.PBT_SERVER) || !(given.token ?? (env.PBT_TOKEN || env.PBT_TOKEN_FILE))
    if (isNeeded) throw together(problems)
    problems.length = 0
  }
  const server = collect(() => serverOf(env, given, stored))
  const token = collect(() => tokenOf(env, given, stored, server))
  const ca = collect(() => caOf(env, given, stored, server))
  const proxy = collect(() => proxyOf(env, server))
  if (server === undefined || token === undefined || problems.length > 0) throw together(problems)
  return { home, server, token: token.text, isTokenStored: token.isStored, ca, proxy }
}

/** The server that is meant, of the arguments, the environment and what is stored. Throws Failure. */
export function serverOf(env: Environment, given: Given, stored: Stored | undefined): ServerAddress {
  if (given.server !== undefined) return parseServer(given.server, '--server')
  if (env.PBT_SERVER) return parseServer(env.PBT_SERVER, 'PBT_SERVER')
  if (stored !== undefined) return parseServer(stored.server, 'the stored server')
  throw new Failure('not-configured', 'no server is known', {
    cure: 'run "pbt init --server HOST[:PORT]" once, or set PBT_SERVER',
  })
}

/** The proxy on the way to the server, if the environment names one that is for it. Throws Failure `usage`. */
export function proxyOf(env: Environment, server: ServerAddress | undefined): HttpProxy | undefined {
  return server === undefined || isLoopback(server) ? undefined : proxyFor(env, linkName(server), server.port)
}

function tokenOf(
  env: Environment,
  given: Given,
  stored: Stored | undefined,
  server: ServerAddress | undefined,
): { text: string; isStored: boolean } {
  if (given.token !== undefined) return { text: checkedToken(given.token, 'the token'), isStored: false }
  if (env.PBT_TOKEN) return { text: checkedToken(env.PBT_TOKEN, 'PBT_TOKEN'), isStored: false }
  if (env.PBT_TOKEN_FILE) {
    const text = readText(env.PBT_TOKEN_FILE, 'PBT_TOKEN_FILE', env)
    return { text: checkedToken(text, `PBT_TOKEN_FILE "${env.PBT_TOKEN_FILE}"`), isStored: false }
  }
  if (stored !== undefined) {
    if (server !== undefined && formatServer(server) !== stored.server) throw foreignToken(given, server, stored)
    return { text: checkedToken(stored.token, 'the stored token'), isStored: true }
  }
  throw new Failure('not-configured', 'no token is known', {
    cure: 'run "pbt init -" with the token that "pbt-server init" showed, or set PBT_TOKEN_FILE',
  })
}

/** Another server could keep the token and use it at the one that it is for. */
function foreignToken(given: Given, server: ServerAddress, stored: Stored): Failure {
  const name = formatServer(server)
  const cure =
    given.server === undefined
      ? `set PBT_TOKEN or PBT_TOKEN_FILE for ${name} as well, or leave out PBT_SERVER`
      : `give the token of ${name}, as an argument or in PBT_TOKEN or PBT_TOKEN_FILE`
  return new Failure('not-configured', `the stored token is for ${stored.server}, and none is known for ${name}`, {
    cure,
  })
}

/** Whether the text could be a token, as far as a client can tell: it fits into a header. */
export function isTokenLike(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && text.length <= MAX_TOKEN_CHARS
}

/** The texts of a bad token are never shown: it may be a good one with a slip. */
function checkedToken(text: string, what: string): string {
  const token = text.trim()
  if (isTokenLike(token)) return token
  throw new Failure('usage', `${what} is not a token: it is ${token === '' ? 'empty' : `${token.length} characters`}`, {
    cure: 'a token is one line of letters, digits and signs, as "pbt-server init" shows it',
  })
}

function caOf(
  env: Environment,
  given: Given,
  stored: Stored | undefined,
  server: ServerAddress | undefined,
): string | undefined {
  if (given.ca !== undefined) return readCa(given.ca, '--ca', env)
  if (env.PBT_CA) return readCa(env.PBT_CA, 'PBT_CA', env)
  // The stored authority speaks for the stored server only.
  return server !== undefined && stored?.server === formatServer(server) ? stored.ca : undefined
}

function readCa(path: string, what: string, env: Environment): string {
  const pem = readText(path, what, env)
  try {
    new X509Certificate(pem)
    createSecureContext({ ca: pem }) // also reads the certificates after the first
    return pem
  } catch (cause) {
    throw new Failure('usage', `${what} "${path}" is not a certificate in PEM form`, {
      cure: 'give the file that the server calls "ca", for example dev-ca.pem of its data directory',
      cause,
    })
  }
}

/** The text of a file. Throws Failure `usage`; `what`: where its path was given. */
export function readText(path: string, what: string, env: Environment): string {
  const file = pathOf(path, what, env)
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Failure('usage', `${what} "${path}" cannot be read: ${reason}`, {
      cure: 'give the path of a file that you may read',
      cause,
    })
  }
}

function together(problems: readonly Failure[]): Failure {
  const [first] = problems
  if (first === undefined) throw new Error('no problem to report')
  if (problems.length === 1) return first
  const isMissingOnly = problems.every(problem => problem.code === 'not-configured')
  return new Failure(isMissingOnly ? 'not-configured' : 'usage', problems.map(problem => problem.message).join('; '), {
    cure: isMissingOnly
      ? 'run "pbt init --server HOST[:PORT]" once'
      : problems
          .map(p => p.cure)
          .filter(Boolean)
          .join('; '),
  })
}
