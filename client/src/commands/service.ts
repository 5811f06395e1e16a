// `pbt daemon install|uninstall`: the daemon as a service that is there from boot on.
import { setTimeout as pause } from 'node:timers/promises'
import { type Environment, homeOf, readSettings, tunnelsFileOf } from '../config/config.ts'
import { readTunnels } from '../daemon/file-store.ts'
import { findDaemon } from '../daemon/pid-file.ts'
import { Service } from '../daemon/service.ts'
import { SYSTEM_HOME } from '../daemon/unit.ts'
import { EXIT } from '../failure.ts'
import type { Command, Context } from './command.ts'
import { stopDaemon } from './daemon.ts'
import { JSON_LINES } from './options.ts'
import { tell } from './telling.ts'

interface ServiceOptions {
  system: boolean | undefined
  json: boolean | undefined
}

/** A service begins within this time, or says why not. */
const START_MS = 10_000
const LOOK_EVERY_MS = 100

const SYSTEM = {
  type: 'boolean',
  describe: 'a service of the system with a user of its own, instead of one of this user; needs root',
} as const

/** Shows what it writes. Again: changes what is different, or nothing. */
export const install: Command<ServiceOptions> = {
  usage: 'install',
  summary: 'have systemd start the daemon at boot, and keep it running',
  needs: 'nothing',
  build: yargs => yargs.option('system', SYSTEM).option('json', JSON_LINES),
  run: async ({ system, json }, context) => {
    const home = homeOf(context.env)
    const isSystem = system === true
    const service = new Service(context.env, isSystem)
    service.checkManaged()
    if (!isSystem) {
      // The service has none of the variables of this shell.
      readSettings(withoutServer(context.env))
      readTunnels(tunnelsFileOf(home))
    }
    // One that was started by hand makes room.
    const inTheWay = isSystem ? service.predecessor : service.isInstalled ? undefined : home
    const stopped = inTheWay === undefined ? undefined : await stopDaemon(inTheWay)
    const { path, text, steps: done } = service.install()
    const room = `stopped the daemon of ${inTheWay}, process ${stopped}: the service keeps its tunnels up from now on`
    const steps = stopped === undefined ? done : [room, ...done]
    const shown = text === undefined ? `${path} is installed as it should be` : `wrote ${path}:\n\n${indented(text)}`
    const pid = await begun(isSystem ? SYSTEM_HOME : home)
    const now = pid === undefined ? '' : `\nthe daemon runs, process ${pid}`
    tell(
      json === true,
      context,
      { event: 'installed', path, unit: text, steps, pid },
      `${[shown, ...steps].join('\n')}${now}`,
    )
    return EXIT.stopped
  },
}

/** Leaves the token and the tunnels. */
export const uninstall: Command<ServiceOptions> = {
  usage: 'uninstall',
  summary: 'take the service away again; the token and the tunnels stay',
  needs: 'nothing',
  build: yargs => yargs.option('system', SYSTEM).option('json', JSON_LINES),
  run: async ({ system, json }, context: Context) => {
    const { path, steps } = new Service(context.env, system === true).uninstall()
    tell(json === true, context, { event: 'uninstalled', path, steps }, steps.join('\n'))
    return EXIT.stopped
  },
}

/** What `pbt init` stored alone counts. */
function withoutServer(env: Environment): Environment {
  const others = ['PBT_SERVER', 'PBT_TOKEN', 'PBT_TOKEN_FILE', 'PBT_CA']
  return Object.fromEntries(Object.entries(env).filter(([name]) => !others.includes(name)))
}

async function begun(home: string): Promise<number | undefined> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    const daemon = await findDaemon(home)
    if (daemon?.status.kind === 'answered') return daemon.pid
    await pause(LOOK_EVERY_MS)
  }
  return undefined
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
