// How this program is started: for what starts it again, the daemon and the units.
import { existsSync } from 'node:fs'

/** The same for people to type: the program as it is installed. */
export function programForPeople(): string {
  const file = process.argv[1] ?? ''
  const program = file.replace(/\.js$/, '')
  return program !== file && existsSync(program) ? program : programCommand().join(' ')
}

/** The command without its arguments: Node with its flags, and the program's file; absolute, so that it holds anywhere. */
export function programCommand(): string[] {
  const [node = process.execPath, file = ''] = process.argv
  // A single executable has no file.
  return file === node || file === '' ? [process.execPath] : [process.execPath, ...process.execArgv, file]
}
