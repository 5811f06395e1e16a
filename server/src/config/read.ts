// Reads the settings from file, environment and flags, the later winning, and reports every problem at once.
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { ConfigError, type ConfigProblem } from './problems.ts'
import {
  type Config,
  DEVELOPMENT_DOMAIN,
  keyOf,
  SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
  variableOf,
} from './settings.ts'

/** Flags go before the environment, and that before the file. */
export interface Sources {
  /** The text of the configuration file and the name to report problems with. */
  readonly file?: { readonly name: string; readonly text: string }
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Flags by key, as given. */
  readonly flags: Readonly<Record<string, unknown>>
  /** The user's home directory. */
  readonly home: string
  readonly warn?: Warn
}

/** Hears of a variable that stands for nothing: its name, and why it counts for nothing. */
export type Warn = (variable: string, why: string) => void

/** Names the configuration file; not a setting itself. */
export const CONFIG_VARIABLE = 'PBT_SERVER_CONFIG'

const VARIABLE_PREFIX = 'PBT_SERVER_'

/** What a service called `pbt-server-https` makes of PBT_SERVER_HTTPS_PORT; no setting has such a value. */
const SERVICE_LINK = /^(tcp|udp|sctp):\/\//

/** A value as it was given, and where. */
interface Given {
  readonly value: unknown
  readonly source: string
}

/** All settings, and where each is from that was given: a flag, a variable, a line of the file. */
export interface Settings {
  readonly config: Config
  readonly sources: ReadonlyMap<SettingName, string>
  /** The configuration file that was read, if there is one. */
  readonly file?: string | undefined
}

/** The settings. Throws ConfigError with every problem there is. */
export function readConfig(sources: Sources): Config {
  return readSettings(sources).config
}

/** The settings, and where they are from. Throws ConfigError with every problem there is. */
export function readSettings(sources: Sources): Settings {
  const problems: ConfigProblem[] = []
  const given = new Map<SettingName, Given>()
  if (sources.file !== undefined) readFile(sources.file, given, problems)
  readEnvironment(sources, given)
  readFlags(sources.flags, given, problems)

  const values = new Map<SettingName, unknown>()
  for (const name of SETTING_NAMES) values.set(name, settingValue(name, given.get(name), sources, values, problems))
  const config = asConfig(values)
  if (problems.length === 0) checkTogether(config, given, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return { config, sources: new Map([...given].map(([name, { source }]) => [name, source])), file: sources.file?.name }
}

function readFile(
  file: { name: string; text: string },
  given: Map<SettingName, Given>,
  problems: ConfigProblem[],
): void {
  const lines = new LineCounter()
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false })
  const sourceAt = (offset: number | undefined) =>
    offset === undefined ? file.name : `${file.name}:${lines.linePos(offset).line}`
  for (const error of document.errors) {
    problems.push({ key: '', value: '', source: sourceAt(error.pos[0]), expected: `YAML: ${error.message}` })
  }
  if (document.errors.length > 0 || document.contents === null) return
  if (!isMap(document.contents)) {
    problems.push({ key: '', value: '', source: file.name, expected: 'lines of "key: value"' })
    return
  }
  for (const pair of document.contents.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
    const source = sourceAt(isScalar(pair.key) ? pair.key.range?.[0] : undefined)
    const name = SETTING_NAMES.find(name => keyOf(name) === key)
    const value = isScalar(pair.value) ? pair.value.value : document.get(key)
    if (name === undefined) problems.push(unknownKey(key, value, source))
    // A key without a value is as good as a comment.
    else if (value !== null && value !== undefined) given.set(name, { value: plain(value), source })
  }
}

/**
 * Container platforms make variables of the names of services by themselves (PBT_SERVER_PORT=tcp://10.0.0.1:443): what is not ours
 * is said and stops nothing. Values are not shown, they may be secrets.
 */
function readEnvironment({ environment, warn = () => {} }: Sources, given: Map<SettingName, Given>): void {
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || variable === CONFIG_VARIABLE || value === undefined) continue
    const name = SETTING_NAMES.find(name => variableOf(name) === variable)
    if (name === undefined) warn(variable, 'unknown setting')
    else if (SERVICE_LINK.test(value))
      warn(variable, 'its value is one that container platforms set for their services')
    else given.set(name, { value, source: variable })
  }
}

function readFlags(flags: Sources['flags'], given: Map<SettingName, Given>, problems: ConfigProblem[]): void {
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined) continue
    const name = SETTING_NAMES.find(name => keyOf(name) === key)
    if (name === undefined) problems.push(unknownKey(key, value, `--${key}`))
    else given.set(name, { value, source: `--${key}` })
  }
}

function settingValue(
  name: SettingName,
  given: Given | undefined,
  sources: Sources,
  values: ReadonlyMap<SettingName, unknown>,
  problems: ConfigProblem[],
): unknown {
  const setting = SETTINGS[name]
  if (given === undefined) {
    const baseDomain = values.get('baseDomain')
    return setting.default({
      environment: sources.environment,
      home: sources.home,
      baseDomain: typeof baseDomain === 'string' ? baseDomain : DEVELOPMENT_DOMAIN,
    })
  }
  const value = setting.kind.read(given.value, sources.home)
  if (value === undefined) {
    problems.push({
      key: keyOf(name),
      value: isSecret(name) ? '…' : shown(given.value),
      source: given.source,
      expected: setting.kind.expected,
    })
  }
  return value
}

function isSecret(name: SettingName): boolean {
  const { isSecret = false }: Setting<unknown> = SETTINGS[name]
  return isSecret
}

/** What no single value can break. */
function checkTogether(config: Config, given: ReadonlyMap<SettingName, Given>, problems: ConfigProblem[]): void {
  const report = (name: SettingName, value: string, expected: string) =>
    problems.push({ key: keyOf(name), value, source: given.get(name)?.source ?? 'default', expected })
  if (config.httpsPort !== 0 && config.httpsPort === config.httpPort) {
    report('httpPort', String(config.httpPort), 'another port than https-port')
  }
  if (config.publicHttpsPort !== 0 && config.publicHttpsPort === config.publicHttpPort) {
    report('publicHttpPort', String(config.publicHttpPort), 'another port than public-https-port')
  }
  if (config.tlsCert.length !== config.tlsKey.length) {
    report('tlsKey', config.tlsKey.join(','), `one key for each of the ${config.tlsCert.length} files of tls-cert`)
  } else if (config.tlsCert.length === 0 && config.baseDomain !== DEVELOPMENT_DOMAIN && !config.acmeDirectory) {
    const names = `${config.baseDomain} and *.${config.baseDomain}`
    report('tlsCert', '', `set, and tls-key too, or acme-directory not off: ${names} need a certificate`)
  }
  if (config.dnsPort !== 0 && config.dnsAddress.length === 0 && config.publicAddress.length === 0) {
    report('dnsPort', String(config.dnsPort), 'with public-address or dns-address, which say where to listen')
  }
  if (config.bindAddress.length === 0) report('bindAddress', '', 'at least one address')
}

function unknownKey(key: string, value: unknown, source: string): ConfigProblem {
  const expected = `one of ${SETTING_NAMES.map(keyOf).join(', ')}`
  return { key, value: shown(value), source, expected, isUnknown: true }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function plain(value: unknown): unknown {
  // Lists and maps of the yaml library know how to become plain values.
  return typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
    ? value.toJSON()
    : value
}

function asConfig(values: ReadonlyMap<SettingName, unknown>): Config {
  // Each value comes from its own setting's kind or default, so the record has the type that the table gives it.
  // A value that is not right has left a problem, and the record is never handed out.
  return Object.fromEntries(values) as Config
}
