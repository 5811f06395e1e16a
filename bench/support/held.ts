// Connections that are held open and do nothing, until they have to show that they still serve.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { memoryKib } from './machine.ts'
import type { System } from './systems.ts'

/** Opened at once, so that no queue of new connections overflows. */
const AT_ONCE = 50
/** Time for collections to give back what starting took. */
const SETTLE_MS = 4_000
const ANSWER_MS = 20_000

/** An open connection, and how to see that it still serves. */
export interface Held {
  readonly socket: Socket
  /** What to write for an answer; '' when it comes by itself. */
  readonly request: string
}

export async function openAll(count: number, open: () => Promise<Held>): Promise<Held[]> {
  const all: Held[] = []
  for (let made = 0; made < count; made += AT_ONCE) {
    all.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - made) }, open))))
  }
  return all
}

/** Each has to answer once more, all at the same time; resolves with how many did, and closes them. */
export async function wakeAll(all: readonly Held[], wake: () => Promise<void> = async () => {}): Promise<number> {
  const answers = all.map(async ({ socket, request }) => {
    if (socket.destroyed) return false
    const answered = once(socket, 'data', { signal: AbortSignal.timeout(ANSWER_MS) }).then(
      () => true,
      () => false,
    )
    if (request !== '') socket.write(request)
    return await answered
  })
  await wake()
  const answered = (await Promise.all(answers)).filter(Boolean).length
  for (const { socket } of all) socket.destroy()
  return answered
}

/** KiB of the processes at the edge and of those at the client, once they are at rest. */
export async function sizes({ edge, client }: System): Promise<[edge: number, client: number]> {
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  const sum = (pids: readonly number[]) => pids.map(memoryKib).reduce((total, size) => total + size, 0)
  return [sum(edge()), sum(client())]
}

/** Over TLS, once its first answer is here. */
export async function heldTls(system: System, first: string, request: string): Promise<Held> {
  const where = { port: system.https ?? 0, host: '127.0.0.1', servername: system.host, rejectUnauthorized: false }
  const socket = connectTls(where)
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return await answering(socket, first, request)
}

export async function heldTcp(port: number, first: string, request: string): Promise<Held> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return await answering(socket, first, request)
}

async function answering(socket: Socket, first: string, request: string): Promise<Held> {
  socket.write(first)
  await once(socket, 'data')
  return { socket, request }
}

export const getRequest = (host: string, path: string): string => `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`
export const upgradeRequest = (host: string): string =>
  `GET /upgrade HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`
