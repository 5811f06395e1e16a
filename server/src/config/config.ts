// The settings of pbt-server, for everybody outside config/.

export { showPortRange } from './kinds.ts'
export { DEFAULT_CONFIG_TEXT, loadConfig } from './load.ts'
export { ConfigError, type ConfigProblem, sentenceOf } from './problems.ts'
export { isServiceData, isServiceInstalled } from './service.ts'
export {
  type Config,
  DEVELOPMENT_DOMAIN,
  defaultTextOf,
  keyOf,
  SETTING_NAMES,
  SETTINGS,
  variableOf,
} from './settings.ts'
