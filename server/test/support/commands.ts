// A program run to its end.
import { text } from 'node:stream/consumers'
import { type Cleaner, program } from './programs.ts'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs it, with `env` beside that of this process. */
export async function run(
  t: Cleaner,
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const started = program(t, file, args, env)
  const { stdout } = started.child
  const [said, { code }] = await Promise.all([stdout === null ? '' : text(stdout), started.exited])
  return { code, stdout: said, stderr: started.stderr }
}
