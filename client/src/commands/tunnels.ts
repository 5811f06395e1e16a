// Runs tunnels until they end: what every command that serves has in common.
import { hostname } from 'node:os'
import { systemClock } from '@pbt/proto'
import { readSettings, type Settings } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { machineId, nextGeneration, readStored, writeStored } from '../config/stored.ts'
import { type ExitCode, failureOf } from '../failure.ts'
import { type Output, runningOutput } from '../output/output.ts'
import { AGENT } from '../process/version.ts'
import { dial } from '../session/dial.ts'
import { Agent } from '../tunnels/agent.ts'
import { clientIdOf } from '../tunnels/identity.ts'
import { Observed } from '../tunnels/observed.ts'
import { PlanMaker } from '../tunnels/plan-maker.ts'
import type { MakePlan } from '../tunnels/plans.ts'
import { serveStatus } from '../tunnels/status-socket.ts'
import { type Context, tellUnknownVariables } from './command.ts'
import { outputOptions } from './output-options.ts'

/** How long whoever reads the output has for what is left of it when the tunnels have ended. */
const LAST_WORDS_MS = 1_000

/**
 * Serves until a signal, a refusal or the owner ends it. Throws Failure when it cannot begin. `spelt`: hints in the spelling of the
 * command, which the server and others that give them do not know.
 */
export async function runTunnels(
  makePlans: readonly MakePlan[],
  isJson: boolean,
  context: Context,
  spelt: (hint: string) => string = hint => hint,
): Promise<ExitCode> {
  tellUnknownVariables(context)
  const settings = readSettings(context.env)
  const id = machineId(settings.home)
  const server = formatServer(settings.server)
  let { token } = settings
  let agent: Agent | undefined
  const maker = new PlanMaker({
    opened: (number, kind, visitor) => output.opened(number, kind, visitor),
    over: (number, record) => {
      observed.request(number)
      output.request(number, record)
    },
  })
  const tunnels = makePlans.map(makePlan => maker.make(makePlan))
  const traffic = () => agent?.traffic ?? NO_TRAFFIC
  const running = {
    server,
    tunnels,
    traffic,
    byTunnel: () => agent?.byTunnel() ?? NOTHING_YET,
    openOf: (tunnel: number, most: number) => agent?.openOf(tunnel, most) ?? [],
  }
  const output = runningOutput(outputOptions(isJson, context), running)
  context.atExit(() => output.close())
  const observed = new Observed(systemClock, running)
  const identity = {
    agent: AGENT,
    machineId: id,
    clientId: clientIdOf(id, { kind: 'tunnels', tunnels }),
    generation: nextGeneration(settings.home, Date.now()),
    label: hostname(),
  }
  agent = new Agent({
    clock: systemClock,
    random: Math.random,
    server,
    identity,
    tunnels,
    dial: (hello, events) =>
      dial({ server: settings.server, token, ca: settings.ca, clock: systemClock }, hello, events),
    onEvent: told => {
      const event = 'cure' in told ? { ...told, cure: spelt(told.cure) } : told
      observed.event(event)
      output.event(event)
    },
    onNewToken: newToken => {
      token = newToken
      keepToken(settings, newToken, output)
    },
  })
  const ignoreSignals = context.onStopSignal(() => agent?.stop())
  const stopAnswering = answerStatus(settings.home, observed, output)
  context.atExit(stopAnswering)
  agent.start()
  try {
    return await agent.finished
  } finally {
    ignoreSignals()
    stopAnswering()
    output.close()
    await Promise.all([context.stdout.leave(LAST_WORDS_MS), context.stderr.leave(LAST_WORDS_MS)])
  }
}

/** Tunnels do not depend on it: when it cannot be, `pbt status` does not show this process. */
function answerStatus(home: string, observed: Observed, output: Output): () => void {
  try {
    return serveStatus(home, () => observed.snapshot())
  } catch (error) {
    output.say(`pbt: "pbt status" will not show these tunnels: ${failureOf(error).message}`)
    return () => {}
  }
}

const NOTHING_YET = new Map<number, never>()
const NO_TRAFFIC = { open: 0, roundTripMs: 0 }

/** Called by the multiplexer, so it must not throw: the session goes on with the new token in any case. */
function keepToken({ home, server, isTokenStored }: Settings, token: string, output: Output): void {
  if (!isTokenStored) {
    output.say('pbt: the server has a new token; replace the one in PBT_TOKEN or PBT_TOKEN_FILE')
    return
  }
  try {
    const stored = readStored(home)
    // Another server may have been stored meanwhile; its token stays.
    if (stored?.server === formatServer(server)) writeStored(home, { ...stored, token })
  } catch (error) {
    output.say(`pbt: the server's new token could not be stored: ${failureOf(error).message}`)
  }
}
