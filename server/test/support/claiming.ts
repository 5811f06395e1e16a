// Kills the server while clients claim names, and looks whether it remembers every name that it has acknowledged.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { busyTarget } from './busy-target.ts'
import { integrityOf, labelsIn } from './database.ts'
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
const CLIENTS = 3
/** The moment of the kill is later from round to round, over about the time that the claims of all clients take. */
const STEP_MS = 150
const STEPS = 10

/** Resolves with how many names were acknowledged in all rounds; throws when one is not there. */
export async function killWhileClaiming(t: Cleaner, rounds: number, say: (what: string) => void): Promise<number> {
  const target = await busyTarget(t)
  const first = await startServer(t)
  const homes = Array.from({ length: CLIENTS }, (_, index) => join(scratch(t), `client-${index}`))
  let server: RunningServer = first
  const acknowledged = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    const clients = homes.map((home, which) => {
      const specs = Array.from(
        { length: NAMES },
        (_, index) => `http:${target.port},domain=n-${round}-${which}-${index}`,
      )
      return program(t, CLIENT, ['up', ...specs, '--json'], clientEnv(t, server, { home }))
    })
    await Promise.race(clients.map(client => client.event('connected')))
    // Not a wait for anything: where in the claims the kill falls is what differs.
    await new Promise(resolve => setTimeout(resolve, (round % STEPS) * STEP_MS))
    await server.program.end('SIGKILL')
    for (const client of clients) await client.end('SIGKILL')
    const told = clients.flatMap(namesIn)
    for (const label of told) acknowledged.add(label)
    server = await restartServer(t, first, { ports: first })
    assert.equal(integrityOf(first.dataDir), 'ok')
    const there = labelsIn(first.dataDir)
    for (const label of acknowledged) assert.ok(there.has(label), `${label} was acknowledged and is lost`)
    say(
      `claims ${round + 1}/${rounds}: ${told.length} of ${CLIENTS * NAMES} names were acknowledged when the server was killed`,
    )
  }
  return acknowledged.size
}

function namesIn(client: Program): string[] {
  const urls = client.events.filter(({ event }) => event === 'online').flatMap(({ urls }) => urls as string[])
  return urls.map(url => new URL(url).hostname.split('.')[0] ?? '')
}
