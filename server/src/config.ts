// The settings of pbt-server, for everybody outside config/.

export { showPortRange } from './config/kinds.ts'
export { DEFAULT_CONFIG_TEXT, loadConfig } from './config/load.ts'
export { ConfigError, type ConfigProblem, sentenceOf } from './config/problems.ts'
export {
  type Config,
  DEVELOPMENT_DOMAIN,
  defaultTextOf,
  keyOf,
  SETTING_NAMES,
  SETTINGS,
  variableOf,
} from './config/settings.ts'
