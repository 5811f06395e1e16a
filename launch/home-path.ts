// Paths as people write them: `~` is the home directory, also where no shell has made it that (`--data-dir=~/x`, YAML, variables).
import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Variables } from './variables.ts'

/** The home directory of this process's user. A variable that is set to nothing is not set. */
export function homeDirectory(environment: Variables = process.env): string {
  if (environment.HOME) return environment.HOME
  try {
    return userInfo().homedir || '/'
  } catch {
    return '/' // a user that no file knows, as in containers
  }
}

/**
 * The path with `~` and `~/…` made that of `home`; any other path as it is. Undefined for `~user`, which only a shell can
 * look up: nobody means a directory of that name, which `./~user` would be.
 */
export function expandHome(path: string, home: string): string | undefined {
  if (!path.startsWith('~')) return path
  if (path === '~') return home
  return path.startsWith('~/') ? join(home, path.slice(2)) : undefined
}

/** A directory of the XDG specification: `value` of its variable, else `fallback` below `home`. A relative one is to be ignored. */
export function xdgDirectory(value: string | undefined, home: string, fallback: string): string {
  const directory = expandHome(value ?? '', home) ?? ''
  return isAbsolute(directory) ? directory : join(home, fallback)
}

/** Ends the sentence "must be …" for a path that `expandHome` does not take. */
export const PATH_EXPECTED = 'a path ("~/" is your own home directory; that of another user has to be given in full)'
