// A server whose sockets outlive it, as under systemd with a socket unit, and a steady load on it while it is replaced.
import { readFileSync } from 'node:fs'
import { type BusyTarget, busyTarget } from './busy-target.ts'
import { type Cleaner, type RunningServer, restartServer, startClient, startServer } from './programs.ts'
import { type KeptSocket, keptSocket } from './sockets.ts'
import { type Kind, Traffic } from './traffic.ts'

export interface Upgradable {
  readonly server: RunningServer
  readonly target: BusyTarget
  readonly traffic: Traffic
  /** Starts a server on the same sockets, and on the same data unless it is told which. */
  startAnother(dataDir?: string): Promise<RunningServer>
}

/** Server and client with an HTTP and a TCP tunnel. */
export async function startUpgradable(t: Cleaner): Promise<Upgradable> {
  const target = await busyTarget(t)
  const kept: readonly KeptSocket[] = [keptSocket(), keptSocket()]
  t.after(() => kept.map(socket => socket.close()))
  const ports = { https: kept[0]?.port ?? 0, http: kept[1]?.port ?? 0 }
  const options = { ports, sockets: kept }
  const server = await startServer(t, options)
  const { client } = await startClient(t, server, ['up', `http:${target.port},domain=app`, `tcp:${target.tcpPort}`])
  const online = await client.until(
    () => client.events.find(({ event, kind }) => event === 'online' && kind === 'tcp'),
    'the TCP tunnel',
  )
  const [url] = online.urls as string[]
  const place = { ...ports, ca: readFileSync(server.ca, 'utf8'), tcp: Number(new URL(String(url)).port) }
  return {
    server,
    target,
    traffic: new Traffic(t, place, true),
    startAnother: (dataDir = server.dataDir) => restartServer(t, { ...server, dataDir }, options),
  }
}

/** So many seconds' visitors are there at once, at most: more than come while a server is replaced, on a machine that is free. */
const SECONDS_AT_ONCE = 3

/** A load that is over. */
export interface LoadEnd {
  /** Visitors who were due and did not come, because the machine was late or too many were there already. */
  readonly notStarted: number
}

/**
 * `perSecond` visitors a second of these kinds in turn, until `stop`, which resolves when all of them are over. Where they are served
 * slower than they come they do not pile up: those who are there wait for their answers, and others come when some of them have them.
 */
export function steadily(traffic: Traffic, perSecond: number, kinds: readonly Kind[]): { stop(): Promise<LoadEnd> } {
  const began = performance.now()
  const visits = new Set<Promise<unknown>>()
  const most = SECONDS_AT_ONCE * perSecond
  let sent = 0
  let notStarted = 0
  const timer = setInterval(() => {
    // A load that is late catches up, by a second's worth at most: thousands at once are other visitors than so many a second.
    const due = ((performance.now() - began) / 1000) * perSecond
    const tooLate = Math.max(0, Math.floor(due - perSecond) - sent)
    notStarted += tooLate
    sent += tooLate
    for (; sent < due && visits.size < most; sent++) {
      const visit = traffic.visit(kinds[sent % kinds.length] ?? 'get', { pieces: 1, paceMs: 0 })
      visits.add(visit)
      void visit.then(() => visits.delete(visit))
    }
  }, 5)
  return {
    stop: async () => {
      clearInterval(timer)
      await Promise.all(visits)
      return { notStarted }
    },
  }
}
