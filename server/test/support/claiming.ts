// Kills the server while clients claim names and ports, and looks whether it remembers all that it has acknowledged.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { integrityOf, labelsIn, portsIn } from './database.ts'
import {
  CLIENT,
  type Cleaner,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  restartServer,
  scratch,
  startServer,
} from './programs.ts'

/** Names that each client asks for at once; each is a write of its own. */
const NAMES = 100
/** Among that many of them is one port. */
const NAMES_PER_PORT = 5
const CLIENTS = 3
const CLAIMS = NAMES + NAMES / NAMES_PER_PORT
/** Beyond what the system takes for connections and where other servers' tunnels are, since many ports stay reserved. */
const PORTS = { first: 61_000, last: 65_535 }
/** The moment of the kill is later from round to round, over about the time that the claims of all clients take. */
const STEP_MS = 150
const STEPS = 10

/** How many were acknowledged in all rounds. */
export interface Claimed {
  readonly names: number
  readonly ports: number
}

/** Throws when something is not remembered that was acknowledged. */
export async function killWhileClaiming(t: Cleaner, rounds: number, say: (what: string) => void): Promise<Claimed> {
  const options = { serverArgs: ['--port-range', `${PORTS.first}-${PORTS.last}`] }
  const first = await startServer(t, options)
  const homes = Array.from({ length: CLIENTS }, (_, index) => join(scratch(t), `client-${index}`))
  let server: RunningServer = first
  const names = new Set<string>()
  const ports = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const clients = homes.map((home, which) =>
      program(t, CLIENT, ['up', ...specsOf(round, which), '--json'], clientEnv(t, server, { home })),
    )
    // Every other kill falls where something has been acknowledged, and more is about to be.
    const begins = round % 2 === 0 ? 'connected' : 'online'
    await Promise.race(clients.map(client => client.event(begins)))
    // Not a wait for anything: where in the claims the kill falls is what differs.
    await new Promise(resolve => setTimeout(resolve, (Math.floor(round / 2) % STEPS) * STEP_MS))
    await server.program.end('SIGKILL')
    for (const client of clients) await client.end('SIGKILL')
    const told = clients.flatMap(acknowledged)
    for (const { protocol, hostname, port } of told) {
      if (protocol === 'https:') names.add(hostname.split('.')[0] ?? '')
      else ports.add(`${protocol}${port}`)
    }
    server = await restartServer(t, first, { ...options, ports: first })
    assert.equal(integrityOf(first.dataDir), 'ok')
    const [labels, numbers] = [labelsIn(first.dataDir), portsIn(first.dataDir)]
    for (const name of names) assert.ok(labels.has(name), `name ${name} was acknowledged and is lost`)
    for (const port of ports) assert.ok(numbers.has(port), `port ${port} was acknowledged and is lost`)
    say(
      `claims ${round + 1}/${rounds}: ${told.length} of ${CLIENTS * CLAIMS} were acknowledged when the server was killed`,
    )
  }
  return { names: names.size, ports: ports.size }
}

/** What a client asks for in a round: all of it is new. Nobody ever connects to the targets. */
function specsOf(round: number, which: number): string[] {
  return Array.from({ length: NAMES }, (_, index) => {
    const id = `n-${round}-${which}-${index}`
    const name = `http:1,domain=${id}`
    if (index % NAMES_PER_PORT !== 0) return [name]
    const turn = index / NAMES_PER_PORT
    const kind = turn % 2 === 0 ? 'tcp' : 'udp'
    // Every other pair asks for a number; a few of these have been given to others before.
    const count = ((round * CLIENTS + which) * NAMES) / NAMES_PER_PORT + turn
    const wish = turn % 4 < 2 ? '' : `,port=${PORTS.first + (count % (PORTS.last - PORTS.first + 1))}`
    return [name, `${kind}:${id}:1${wish}`]
  }).flat()
}

function acknowledged(client: Program): URL[] {
  const urls = client.events.filter(({ event }) => event === 'online').flatMap(({ urls }) => urls as string[])
  return urls.map(url => new URL(url))
}
