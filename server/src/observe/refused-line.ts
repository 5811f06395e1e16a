// The log line that programs like fail2ban look for. It stays as it is: deploy/fail2ban/pbt-server.conf matches it.
import type { Log } from './log.ts'

/** A peer at this address (no port) sent a wrong token to the link, or failed to log in. Not for one that is limited already: a flood must not fill the log. */
export function logRefused(log: Log, what: 'token' | 'login', address: string): void {
  log.warn(`${what} refused`, { address })
}
