// The version of this program.
import { readFileSync } from 'node:fs'

/** `0.1.0`, as in package.json. */
export const VERSION = versionIn(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

/** How the program names itself to the server. */
export const AGENT = `pbt/${VERSION}`

function versionIn(manifest: string): string {
  const parsed: unknown = JSON.parse(manifest)
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') {
    return parsed.version
  }
  throw new Error('package.json has no version')
}
