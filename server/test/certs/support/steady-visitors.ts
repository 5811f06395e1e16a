// Visitors at a steady rate, half of them on new connections, half on ones that last: each error and each cut connection is kept.
import { setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { attempt, getOver, type IssuingServer } from './issuing-server.ts'

/** Connections that last. */
const LASTING = 10

export interface Visited {
  readonly requests: number
  /** What went wrong, in words. */
  readonly errors: readonly string[]
  /** Serial numbers of the certificates that new connections were shown, in order of appearance. */
  readonly serials: readonly string[]
}

/** Until `stop`, which tells what they saw. `perSecond`: requests in all. */
export async function steadyVisitors(issuing: IssuingServer, host: string, perSecond: number, expected: string) {
  const errors: string[] = []
  const serials: string[] = []
  const underWay = new Set<Promise<void>>()
  let requests = 0
  let isOver = false
  const judge = async (socket: TLSSocket) => {
    requests += 1
    const found = await getOver(socket, host).catch(error => `error ${error}`)
    if (found !== expected) errors.push(found.slice(0, 200))
  }
  const newcomer = async () => {
    const socket = await attempt(issuing, host)
    if (socket instanceof Error) {
      errors.push(String(socket))
      return
    }
    const { serialNumber } = socket.getPeerCertificate()
    if (!serials.includes(serialNumber)) serials.push(serialNumber)
    await judge(socket)
    socket.destroy()
  }
  const lasting = await Promise.all(Array.from({ length: LASTING }, () => attempt(issuing, host)))
  const stay = async (socket: TLSSocket | Error) => {
    if (socket instanceof Error) {
      errors.push(String(socket))
      return
    }
    socket.on('close', () => {
      if (!isOver) errors.push('a lasting connection was cut')
    })
    const due = paced((2_000 * LASTING) / perSecond)
    while (!isOver && !socket.destroyed) {
      await judge(socket)
      await due()
    }
    socket.destroy()
  }
  const come = async () => {
    const due = paced(2_000 / perSecond)
    while (!isOver) {
      const visit = newcomer().finally(() => underWay.delete(visit))
      underWay.add(visit)
      await due()
    }
  }
  const all = [...lasting.map(stay), come()]
  return {
    /** What they have seen until now. */
    get seen(): Visited {
      return { requests, errors, serials }
    },
    stop: async (): Promise<Visited> => {
      isOver = true
      await Promise.all([...all, ...underWay])
      return { requests, errors, serials }
    },
  }
}

/** Waits until the next one is due: one every `ms`, also after one that came late. */
function paced(ms: number): () => Promise<void> {
  let next = performance.now()
  return async () => {
    next = Math.max(next + ms, performance.now() - 1_000)
    await wait(Math.max(0, next - performance.now()))
  }
}
