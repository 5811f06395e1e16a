// Free ports for programs that tests start, also once they start them again.
import { createServer, type ListenOptions, type Server } from 'node:net'

const PORTS = 10_000
/** Where ports for servers themselves begin, and those that tunnels may ask for. */
const OWN_PORTS = 10_000
export const TUNNEL_PORTS = 20_000

/** Ports that this process has, whether or not somebody listens on them. */
const given = new Set<number>()

/**
 * A free port outside of what the system takes for connections, so that it is still free when the server comes, or comes back.
 * No other process of tests gets it while this one runs; nobody listens on it meanwhile.
 */
export async function lastingPort(from = OWN_PORTS): Promise<number> {
  for (;;) {
    const port = from + Math.floor(Math.random() * PORTS)
    if (given.has(port)) continue
    given.add(port)
    if (!(await claim(port))) continue
    const probe = await listening({ port })
    if (probe === undefined) continue
    await new Promise(resolve => probe.close(resolve))
    return port
  }
}

/** Whether no other process has it: names of Linux's own room for sockets belong to one, and end with it. */
async function claim(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const claimed = await listening({ path: `\0pbt-test-port-${port}` })
  claimed?.unref()
  return claimed !== undefined
}

function listening(options: ListenOptions): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer(socket => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen(options, () => resolve(server))
  })
}
