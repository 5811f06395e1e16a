// A machine with the service installed, as deploy/README.md has it: directories of this one's in a mount namespace, for programs under `under`.
import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleaner, ROOT, scratch } from './programs.ts'

/** The user of the service; no file knows it, which is what counts least. */
export const SERVICE_UID = 54_321

/** `$1` has etc and lib, to be seen as /etc and /var/lib. */
const SEE = 'mount --bind "$1/etc" /etc && mount --bind "$1/lib" /var/lib && shift && exec "$@"'

export interface Vps {
  /** Before a command: as root, or as the user with this number. */
  under(uid?: number): readonly string[]
  /** Where what programs see as /var/lib/pbt-server is. */
  readonly state: string
}

/** Whether such a machine can be had here. */
export const canHaveVps =
  process.getuid?.() === 0 &&
  spawnSync('unshare', [
    '--mount',
    'sh',
    '-c',
    'mount -t tmpfs none /mnt && setpriv --reuid 1 --regid 1 --clear-groups true',
  ]).status === 0

/** `settings`: of server.yaml. */
export function makeVps(t: Cleaner, settings: string): Vps {
  const directory = scratch(t)
  const state = join(directory, 'lib/pbt-server')
  cpSync('/etc/passwd', join(directory, 'etc/passwd'))
  for (const folder of ['etc/systemd/system', 'etc/pbt-server']) mkdirSync(join(directory, folder), { recursive: true })
  mkdirSync(join(directory, 'lib'))
  mkdirSync(state, { mode: 0o700 })
  chownSync(state, SERVICE_UID, SERVICE_UID)
  cpSync(join(ROOT, 'deploy/pbt-server.service'), join(directory, 'etc/systemd/system/pbt-server.service'))
  writeFileSync(join(directory, 'etc/pbt-server/server.yaml'), settings)
  const see = ['unshare', '--mount', 'sh', '-c', SEE, 'sh', directory]
  return {
    state,
    under: uid => (uid === undefined ? see : [...see, 'setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']),
  }
}
