// Whether a person has started this process just now, or something that restarts programs: only the former opens tunnels that were ended.

/** What is looked at. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly parentPid: number
  /** One of the standard streams is a terminal. */
  readonly hasTerminal: boolean
}

/** systemd, supervisord, pm2: each sets one of these for what it runs. */
const OF_SUPERVISORS = ['INVOCATION_ID', 'SUPERVISOR_ENABLED', 'pm_id']

/**
 * PBT_UNATTENDED (1 or 0) decides. Else a process without a terminal is not attended when a supervisor's variable is set (terminals of a
 * desktop inherit systemd's, so it alone says nothing) or when it is the first process, as in a container, or a child of that.
 */
export function isAttended({ env, pid, parentPid, hasTerminal }: Surroundings): boolean {
  if (env.PBT_UNATTENDED === '1') return false
  if (env.PBT_UNATTENDED === '0' || hasTerminal) return true
  return pid !== 1 && parentPid !== 1 && !OF_SUPERVISORS.some(name => (env[name] ?? '') !== '')
}
