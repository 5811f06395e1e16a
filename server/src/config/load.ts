// Finds the configuration file, then reads all settings; the only place that looks at files and the environment for them.
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from './problems.ts'
import { CONFIG_VARIABLE, readConfig } from './read.ts'
import type { Config } from './settings.ts'

/** `defaultConfigFile`, as documentation shows it. */
export const DEFAULT_CONFIG_TEXT =
  '$CONFIGURATION_DIRECTORY/server.yaml under systemd, otherwise $XDG_CONFIG_HOME/pbt-server/server.yaml or ~/.config/pbt-server/server.yaml'

/** Where the file is looked for when nobody names one: systemd's directory for the unit, otherwise the user's. */
export function defaultConfigFile(environment: NodeJS.ProcessEnv, home: string): string {
  const configured = environment.CONFIGURATION_DIRECTORY?.split(':')[0]
  if (configured) return join(configured, 'server.yaml')
  return join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'pbt-server', 'server.yaml')
}

/**
 * The settings of this process. `named` is the file of `--config`; a file that is named must be there, the default
 * one may be missing. Throws ConfigError with every problem.
 */
export function loadConfig(named: string | undefined, flags: Readonly<Record<string, unknown>>): Config {
  const home = homedir()
  const chosen = named ?? process.env[CONFIG_VARIABLE]
  const name = chosen ?? defaultConfigFile(process.env, home)
  const text = textOf(name, chosen === undefined)
  return readConfig({ file: text === undefined ? undefined : { name, text }, environment: process.env, flags, home })
}

function textOf(file: string, mayBeMissing: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT' && mayBeMissing) return undefined
    throw new ConfigError([{ key: 'config', value: file, source: file, expected: `a file that can be read (${code})` }])
  }
}
