// The last steps: the tunnels that run here, and whether their targets take connections.
import { connect } from 'node:net'
import { parseTarget } from '../config/target.ts'
import { failureOf } from '../failure.ts'
import { askAll } from '../tunnels/ask.ts'
import type { ProcessSnapshot, TunnelSnapshot } from '../tunnels/events.ts'
import { type Check, failed, notChecked, ok } from './check.ts'

const TARGET_MS = 3_000
/** Each is connected to; more are a fleet, and `pbt status` shows them. */
const MAX_TARGETS = 100

/** A check for each process and each of its tunnels. */
export async function checkTunnels(home: string): Promise<readonly Check[]> {
  try {
    const all = await askAll(home)
    if (all.length === 0)
      return [notChecked('tunnels', 'no tunnel of this user is running', 'for example: pbt http 3000')]
    const checks = await Promise.all(
      all.map(status =>
        status.kind === 'silent'
          ? [failed('process', `process ${status.pid} does not answer`, `end it: kill ${status.pid}`)]
          : checkProcess(status.snapshot),
      ),
    )
    return checks.flat()
  } catch (error) {
    const { message, cure } = failureOf(error)
    return [failed('tunnels', message, cure)]
  }
}

async function checkProcess(snapshot: ProcessSnapshot): Promise<Check[]> {
  const { pid, state, reason, server, tunnels } = snapshot
  const head =
    state === 'online' || state === 'stopping'
      ? ok('process', `process ${pid} has ${tunnels.length} tunnels, ${state}`)
      : failed(
          'process',
          `process ${pid} is not connected to ${server}: ${reason || state}`,
          'mend what failed above; it goes on trying',
        )
  const each = await Promise.all(tunnels.slice(0, MAX_TARGETS).map(tunnel => checkTunnel(tunnel)))
  return [head, ...each.flat()]
}

async function checkTunnel(tunnel: TunnelSnapshot): Promise<Check[]> {
  const { name, kind, target, targetFault, urls, waiting, fault, cure, isStopped } = tunnel
  const what = `${urls[0] ?? (name || kind)} to ${target}`
  if (isStopped) return [notChecked('target', `${what}: it is stopped`)]
  if (fault !== '') return [failed('tunnel', `${what}: ${fault}`, cure || 'see "pbt status"')]
  const waits = waiting.map(({ url, reason, cure: toDo }) =>
    failed('tunnel', `${url} does not serve yet: ${reason}`, toDo),
  )
  const start = `start what should listen at ${target}`
  if (kind === 'udp' && targetFault !== '') return [...waits, failed('target', `${what}: ${targetFault}`, start)]
  if (kind === 'udp') return [...waits, notChecked('target', `${what}: UDP does not tell whether anybody listens`)]
  const why = await whyUnreachable(target)
  if (why === '') return [...waits, ok('target', `${what}: it takes connections`)]
  return [...waits, failed('target', `${what}: ${why}`, start)]
}

/** '' when the target takes a connection. */
async function whyUnreachable(text: string): Promise<string> {
  try {
    const { endpoint } = parseTarget(text)
    const places = endpoint.kind === 'unix' ? [endpoint] : endpoint.hosts.map(host => ({ host, port: endpoint.port }))
    let why = ''
    for (const place of places) {
      why = await tried(place)
      if (why === '') return ''
    }
    return why
  } catch (error) {
    return failureOf(error).message
  }
}

function tried(place: { path: string } | { host: string; port: number }): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(place)
    const over = (why: string) => {
      socket.destroy()
      resolve(why)
    }
    socket.setTimeout(TARGET_MS, () => over(`no connection within ${TARGET_MS / 1_000} s`))
    socket.once('connect', () => over(''))
    socket.on('error', error =>
      over('code' in error && error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message),
    )
  })
}
