// Runs tunnels until they end: what every command that serves has in common.
import { hostname } from 'node:os'
import { systemClock } from '@pbt/proto'
import { readSettings, type Settings } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { machineId, nextGeneration, readStored, writeStored } from '../config/stored.ts'
import { type ExitCode, failureOf } from '../failure.ts'
import { type Output, runningOutput } from '../output/output.ts'
import { isAttended } from '../process/attended.ts'
import { networkNow } from '../process/network.ts'
import { AGENT } from '../process/version.ts'
import { dial } from '../session/dial.ts'
import { Lookup } from '../session/lookup.ts'
import { Agent } from '../tunnels/agent.ts'
import { clientIdOf, type Identity, type Purpose } from '../tunnels/identity.ts'
import { NetworkWatch } from '../tunnels/network-watch.ts'
import { Observed } from '../tunnels/observed.ts'
import { PlanMaker } from '../tunnels/plan-maker.ts'
import type { MakePlan } from '../tunnels/plans.ts'
import { serveStatus } from '../tunnels/status-socket.ts'
import { type Context, tellUnknownVariables } from './command.ts'
import { outputOptions } from './output-options.ts'

/** How long the reader of the output has for what is left of it when the tunnels have ended. */
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
  const server = formatServer(settings.server)
  let { token } = settings
  const lookup = new Lookup(systemClock)
  let agent: Agent | undefined
  const maker = new PlanMaker({
    opened: (number, kind, visitor) => output.opened(number, kind, visitor),
    over: (number, record) => {
      observed.request(number)
      output.request(number, record)
    },
    targetSeen: (number, message) => agent?.targetSeen(number, message),
  })
  const tunnels = makePlans.map(makePlan => maker.make(makePlan))
  const identity = identityOf(settings.home, { kind: 'tunnels', tunnels })
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
  agent = new Agent({
    clock: systemClock,
    random: Math.random,
    server,
    identity,
    tunnels,
    dial: (hello, events) => dial({ ...settings, token, lookup, clock: systemClock }, hello, events),
    onEvent: told => {
      const event = 'cure' in told ? { ...told, cure: spelt(told.cure) } : told
      for (const each of [observed, output]) each.event(event)
    },
    isAskedByOwner: isAsked(context),
    onNewToken: newToken => {
      token = newToken
      return keepToken(settings, newToken, output)
    },
  })
  const stopAnswering = answerStatus(settings.home, observed, output)
  context.atExit(stopAnswering)
  return await runToEnd(agent, context, () => {
    stopAnswering()
    output.close()
  })
}

/** Resolves when the agent has finished, `end` was called and the last words are written. */
async function runToEnd(agent: Agent, context: Context, end: () => void): Promise<ExitCode> {
  const ignoreSignals = context.onStopSignal(() => agent.stop())
  const onChange = () => agent.networkChanged()
  const watch = new NetworkWatch({ clock: systemClock, wallTime: Date.now, network: networkNow, onChange })
  agent.start()
  try {
    return await agent.finished
  } finally {
    ignoreSignals()
    watch.end()
    end()
    await Promise.all([context.stdout.leave(LAST_WORDS_MS), context.stderr.leave(LAST_WORDS_MS)])
  }
}

/** A person has run the command, not a service manager. */
function isAsked({ env, stdin, stdout, stderr }: Context): boolean {
  const hasTerminal = stdin.isTTY === true || stdout.isTTY || stderr.isTTY
  return isAttended({ env, pid: process.pid, parentPid: process.ppid, hasTerminal })
}

/** Throws Failure `usage` when this machine has no name and none can be made. */
function identityOf(home: string, purpose: Purpose): Identity {
  const id = machineId(home)
  const clientId = clientIdOf(id, purpose)
  return { agent: AGENT, machineId: id, clientId, generation: nextGeneration(home, Date.now()), label: hostname() }
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

/**
 * Called by the multiplexer, so it must not throw: the session goes on with the new token in any case. Tells why a restart would come
 * without it, '' when it is stored.
 */
function keepToken({ home, server, isTokenStored }: Settings, token: string, output: Output): string {
  if (!isTokenStored) {
    output.say('pbt: the server has a new token; replace the one in PBT_TOKEN or PBT_TOKEN_FILE')
    return 'it is in PBT_TOKEN or PBT_TOKEN_FILE there'
  }
  try {
    const stored = readStored(home)
    // Another server may have been stored meanwhile; its token stays.
    if (stored?.server !== formatServer(server)) return 'another server is stored there'
    writeStored(home, { ...stored, token })
    return ''
  } catch (error) {
    const { message } = failureOf(error)
    output.say(`pbt: the server's new token could not be stored: ${message}`)
    return message
  }
}
