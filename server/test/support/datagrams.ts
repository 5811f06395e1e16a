// Datagrams of visitors and targets.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Cleaner } from './programs.ts'

/** Waits this long only when a datagram was lost. */
export const LOST_MS = 20_000

/** A socket on a free port. */
export async function udpSocket(t: Cleaner, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  t.after(() => socket.close())
  socket.on('error', () => {})
  socket.bind(0, address)
  await once(socket, 'listening')
  return socket
}

/** Answers every datagram with what `answer` makes of it; tells who asked. */
export async function udpTarget(t: Cleaner, answer: (datagram: Buffer) => readonly Buffer[]) {
  const socket = await udpSocket(t)
  const askers = new Set<number>()
  socket.on('message', (datagram, { port, address }) => {
    askers.add(port)
    for (const reply of answer(datagram)) socket.send(reply, port, address)
  })
  return { port: socket.address().port, askers }
}

/** Sends a datagram and resolves with the next one that comes back. */
export async function ask(socket: Socket, port: number, datagram: Buffer, host = '127.0.0.1'): Promise<Buffer> {
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(LOST_MS) })
  socket.send(datagram, port, host)
  return (await answered)[0]
}

/** Counts what comes to a visitor, and what the visitor sends. */
export class Account {
  sent = 0
  received = 0
  datagrams = 0
  readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', ({ length }) => {
      this.received += length
      this.datagrams++
    })
  }

  send(datagram: Buffer, port: number): void {
    this.sent += datagram.length
    this.socket.send(datagram, port, '127.0.0.1')
  }
}

/** What `--metrics-port` shows of the link and of all UDP tunnels, or of the one with this port. */
export async function droppedDatagrams(metricsPort: number, port?: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const tunnel = port === undefined ? '' : `tunnel="udp-${port}"`
  const counts = [
    ...text.matchAll(new RegExp(`^pbt_(?:udp_dropped_total.*${tunnel}|link_dropped_total).* (\\d+)`, 'gm')),
  ]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}
