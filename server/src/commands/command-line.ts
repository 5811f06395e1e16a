// Command lines that are shown to people, to be copied as they are.
import { keyOf, SETTING_NAMES } from '../config/config.ts'

/** What a shell leaves as it is. */
const PLAIN = /^[\w@%+=:,./-]+$/

/** The command with the settings that were given as flags for another one (`values`, by their names), and its configuration file. */
export function commandLine(command: string, values: Readonly<Record<string, unknown>>): string {
  const words = ['pbt-server', command]
  for (const key of ['config', ...SETTING_NAMES.map(keyOf)]) {
    for (const value of [values[key] ?? []].flat()) words.push(`--${key}`, quoted(String(value)))
  }
  return words.join(' ')
}

function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
