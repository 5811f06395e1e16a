// Finds the configuration file, then reads all settings; the only place that looks at files and the environment for them.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expandHome, homeDirectory, PATH_EXPECTED, xdgDirectory } from '../../../launch/home-path.ts'
import { setVariables, type Variables } from '../../../launch/variables.ts'
import { ConfigError } from './problems.ts'
import { CONFIG_VARIABLE, readSettings, type Settings, type Warn } from './read.ts'
import { serviceVariables } from './service.ts'
import { keyOf, variableOf } from './settings.ts'

/** `defaultConfigFile`, as documentation shows it. */
export const DEFAULT_CONFIG_TEXT =
  '$CONFIGURATION_DIRECTORY/server.yaml under systemd (for root and its user also in a shell), otherwise $XDG_CONFIG_HOME/pbt-server/server.yaml or ~/.config/pbt-server/server.yaml'

/** Where the file is looked for when nobody names one: systemd's directory for the unit, otherwise the user's. */
export function defaultConfigFile(environment: Variables, home: string): string {
  const configured = environment.CONFIGURATION_DIRECTORY?.split(':')[0]
  if (configured) return join(configured, 'server.yaml')
  return join(xdgDirectory(environment.XDG_CONFIG_HOME, home, '.config'), 'pbt-server', 'server.yaml')
}

/**
 * The settings of this process. `named` is the file of `--config`; a file that is named must be there, the default
 * one may be missing. `warn` hears what is odd and stops nothing. Throws ConfigError with every problem.
 */
export function loadSettings(
  named: string | undefined,
  flags: Readonly<Record<string, unknown>>,
  warn: Warn = () => {},
): Settings {
  const environment = withService(setVariables(process.env), named, flags)
  const home = homeDirectory(environment)
  const chosen = named ?? environment[CONFIG_VARIABLE]
  const name = chosen === undefined ? defaultConfigFile(environment, home) : expandHome(chosen, home)
  if (name === undefined) {
    throw new ConfigError([{ key: 'config', value: String(chosen), source: 'config', expected: PATH_EXPECTED }])
  }
  const text = textOf(name, chosen === undefined)
  return readSettings({ file: text === undefined ? undefined : { name, text }, environment, flags, home, warn })
}

/** With the directories of the service of this machine, unless another directory or file is named: that is another server. */
function withService(
  environment: Variables,
  named: string | undefined,
  flags: Readonly<Record<string, unknown>>,
): Variables {
  const service = serviceVariables()
  const file = named ?? environment[CONFIG_VARIABLE]
  const isOther =
    flags[keyOf('dataDir')] !== undefined ||
    variableOf('dataDir') in environment ||
    (file !== undefined && resolve(file) !== defaultConfigFile(service, ''))
  return isOther ? environment : { ...service, ...environment }
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
