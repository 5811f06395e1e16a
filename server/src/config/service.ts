// Where the service of this machine keeps its data and settings, for those who look after it from a shell: they find what it finds.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Variables } from '../../../launch/variables.ts'

/** systemd's, in the order in which it looks. */
const UNIT_FOLDERS = [
  'etc/systemd/system',
  'run/systemd/system',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
]
const UNIT = 'pbt-server.service'
const STATE = 'var/lib/pbt-server'
const CONFIGURATION = 'etc/pbt-server'

/** Who asks, and where the file system begins. */
export interface Asker {
  /** Undefined where users have no numbers. */
  readonly uid: number | undefined
  readonly root: string
}

const THIS_PROCESS: Asker = { uid: process.geteuid?.(), root: '/' }

/** Whether the unit of deploy/ is installed on this machine. */
export function isServiceInstalled({ root }: Asker = THIS_PROCESS): boolean {
  return UNIT_FOLDERS.some(folder => existsSync(join(root, folder, UNIT)))
}

/** The variables that systemd sets for the unit, when it is installed and this is root or its user; none for everybody else. */
export function serviceVariables(asker: Asker = THIS_PROCESS): Variables {
  const state = join(asker.root, STATE)
  if (!isServiceInstalled(asker)) return {}
  if (asker.uid !== 0 && (asker.uid === undefined || asker.uid !== ownerOf(state))) return {}
  return { STATE_DIRECTORY: state, CONFIGURATION_DIRECTORY: join(asker.root, CONFIGURATION) }
}

/** Whether the directory is the one of the service of this machine, for root or its user. */
export function isServiceData(dataDir: string): boolean {
  return serviceVariables().STATE_DIRECTORY === dataDir
}

function ownerOf(file: string): number | undefined {
  try {
    return statSync(file).uid
  } catch {
    return undefined
  }
}
