// `--detach`: hands tunnels over to the daemon, which is started when it does not run.
import { resolve } from 'node:path'
import { homeOf } from '../config/config.ts'
import { EXIT, type ExitCode } from '../failure.ts'
import { recordOf } from '../tunnels/spec-reader.ts'
import { planOf, type TunnelSpec } from '../tunnels/specs.ts'
import { type Context, tellUnknownVariables } from './command.ts'
import { runningDaemon } from './daemon.ts'
import { steer } from './telling.ts'

/** Tells the addresses once they are online. Throws Failure when a tunnel cannot be. */
export async function detach(specs: readonly TunnelSpec[], isJson: boolean, context: Context): Promise<ExitCode> {
  for (const spec of specs) planOf(spec)
  tellUnknownVariables(context)
  const home = homeOf(context.env)
  const pid = await runningDaemon(home, context)
  let worst: ExitCode = EXIT.stopped
  for (const spec of specs) {
    const exitCode = await steer(home, pid, { request: 'add', tunnel: recordOf(anywhere(spec)) }, isJson, context)
    if (exitCode !== EXIT.stopped) worst = exitCode
  }
  return worst
}

/** The daemon runs in another directory. */
function anywhere(spec: TunnelSpec): TunnelSpec {
  const { 'target-ca': ca } = spec.options
  if (typeof ca !== 'string' || ca.startsWith('~')) return spec
  return { ...spec, options: { ...spec.options, 'target-ca': resolve(ca) } }
}
