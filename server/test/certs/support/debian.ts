// Programs of Debian that tests need: installed when this user may, and otherwise the test is skipped and says so.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'

/** Installing may take this long. */
export const INSTALL_MS = 300_000

/** Whether all these files are there; packages that are missing are installed when that is possible. Skips the test when they cannot be. */
export function needs(t: TestContext, packages: readonly string[], files: readonly string[]): boolean {
  const isThere = () => files.every(file => existsSync(file))
  if (!isThere() && process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('apt-get', ['update'], { timeout: INSTALL_MS / 2, env })
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { timeout: INSTALL_MS / 2, env })
  }
  if (isThere()) return true
  t.skip(`not installed: apt-get install ${packages.join(' ')}`)
  return false
}
