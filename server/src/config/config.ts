// The settings of pbt-server, for everybody outside config/.

export { describeSettings } from './described.ts'
export { showPortRange } from './kinds.ts'
export { DEFAULT_CONFIG_TEXT, loadSettings } from './load.ts'
export { ConfigError, type ConfigProblem, sentenceOf } from './problems.ts'
export type { Settings } from './read.ts'
export { isServiceData, isServiceInstalled } from './service.ts'
export {
  type Config,
  DEVELOPMENT_DOMAIN,
  defaultTextOf,
  keyOf,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  variableOf,
} from './settings.ts'
