// Signals that were ignored when the program began stay ignored (POSIX has nohup and a shell's "&" rely on it).

/** Numbers that all systems of today agree on. */
const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/**
 * Whether the signal is to be ignored. `environment`: PBT_IGNORED_SIGNALS has what start.sh found, a mask in hexadecimal.
 *
 * @param {'SIGHUP' | 'SIGINT' | 'SIGTERM'} signal
 * @param {Readonly<Record<string, string | undefined>>} environment
 * @returns {boolean}
 */
export function isIgnored(signal, environment) {
  const mask = environment.PBT_IGNORED_SIGNALS ?? ''
  if (!/^[0-9a-f]{1,16}$/.test(mask)) return false
  return ((BigInt(`0x${mask}`) >> BigInt(NUMBERS[signal] - 1)) & 1n) === 1n
}
