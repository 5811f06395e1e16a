// Every setting in words: its value, where that is from, and what it is for.
import type { Settings } from './read.ts'
import { defaultTextOf, keyOf, SETTING_NAMES, SETTINGS, type Setting } from './settings.ts'

/** One setting as text, to be shown to the owner. */
export interface DescribedSetting {
  readonly name: string
  /** As it stands in the file; of what is secret `(not shown)`. */
  readonly value: string
  /** For example `default`, `/etc/pbt-server/server.yaml:3`, `PBT_SERVER_HTTPS_PORT`, `--https-port`. */
  readonly source: string
  /** Where something else was given. */
  readonly defaultText: string
  readonly doc: string
}

/** In the order of the documentation. What may be secret is not told, only that it is set. */
export function describeSettings({ config, sources }: Settings): DescribedSetting[] {
  return SETTING_NAMES.map(name => {
    const { kind, doc, isSecret = false }: Setting<unknown> = SETTINGS[name]
    const source = sources.get(name)
    return {
      name: keyOf(name),
      value: isSecret && source !== undefined ? '(not shown)' : kind.show(config[name]),
      source: source ?? 'default',
      defaultText: source === undefined ? '' : defaultTextOf(name),
      doc,
    }
  })
}
