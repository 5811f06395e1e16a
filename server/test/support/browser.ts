// A real browser, where there is one: Debian's chromium, installed when this user may.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type BrowserContext, chromium } from 'playwright-core'
import { scratch } from './programs.ts'

export const CHROMIUM = '/usr/bin/chromium'
/** Installing the browser may take this long. */
export const INSTALL_MS = 480_000
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
]

export interface BrowserOptions {
  readonly colorScheme?: 'dark' | 'light'
  readonly viewport?: { readonly width: number; readonly height: number }
}

/** Closed after the test; undefined, and the test skipped, when there is none. It takes the certificates of a development authority. */
export async function openBrowser(t: TestContext, options: BrowserOptions = {}): Promise<BrowserContext | undefined> {
  if (!hasChromium()) {
    t.skip('chromium is not installed: apt-get install chromium')
    return undefined
  }
  const browser = await chromium.launchPersistentContext(join(scratch(t), 'profile'), {
    executablePath: CHROMIUM,
    headless: true,
    ignoreHTTPSErrors: true,
    args: FLAGS,
    ...options,
  })
  t.after(() => browser.close())
  return browser
}

/** Whether there is one, after installing it where that may be done. */
export function hasChromium(): boolean {
  if (!existsSync(CHROMIUM) && process.getuid?.() === 0) {
    spawnSync('apt-get', ['update'], { timeout: 120_000 })
    spawnSync('apt-get', ['install', '-y', 'chromium'], { timeout: 240_000 })
  }
  return existsSync(CHROMIUM)
}
