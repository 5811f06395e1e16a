// Free ports for programs that tests start, also once they start them again.
import { createServer } from 'node:net'

/** Ports that were given out: what asked for them may not listen yet. */
const given = new Set<number>()
/** Each file of tests that runs beside others looks in a part of the ports of its own. */
const [PARTS, PART_PORTS] = [20, 500]

/** Where ports for servers themselves begin, and those that tunnels may ask for. */
const OWN_PORTS = 10_000
export const TUNNEL_PORTS = 20_000

/** A free port outside of what the system takes for connections, so that it is still free when the server comes, or comes back. */
export async function lastingPort(from = OWN_PORTS): Promise<number> {
  for (;;) {
    const port = from + (process.pid % PARTS) * PART_PORTS + Math.floor(Math.random() * PART_PORTS)
    if (given.has(port)) continue
    if (given.size > PART_PORTS / 2) given.clear()
    const probe = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      probe.once('error', () => resolve(false))
      probe.listen(port, () => resolve(true))
    })
    if (!isFree) continue
    await new Promise(resolve => probe.close(resolve))
    given.add(port)
    return port
  }
}
