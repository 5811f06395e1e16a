// A local service that serves every kind of transfer and keeps book: what it was asked, how often, and what came whole.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Cleaner } from './programs.ts'
import { receive, send } from './streams.ts'
import { acceptUpgrade, FrameReader, frame } from './websocket.ts'

export interface BusyTarget {
  readonly port: number
  readonly tcpPort: number
  /** How often each request was asked, by its id. */
  readonly asked: ReadonlyMap<string, number>
  /** Uploads that ended as whole ones, by id: how many bytes came. */
  readonly uploads: ReadonlyMap<string, number>
  /** Transfers and connections open at the moment. */
  readonly open: number
}

/** Paths are `/<kind>/<id>/<bytes>/<pace>`: see traffic.ts. `httpPort` 0: any. */
export async function busyTarget(t: Cleaner, httpPort = 0): Promise<BusyTarget> {
  const asked = new Map<string, number>()
  const uploads = new Map<string, number>()
  let open = 0
  const sockets = new Set<Socket>()

  function serve(incoming: IncomingMessage, response: ServerResponse): void {
    const [, kind = '', id = '', bytes = '0', pace = '0'] = (incoming.url ?? '').split('/')
    asked.set(id, (asked.get(id) ?? 0) + 1)
    open++
    response.once('close', () => open--)
    const over = () => response.destroy()
    switch (kind) {
      case 'down':
        response.writeHead(200, { 'content-length': bytes })
        send(response, Number(id), Number(bytes), Number(pace)).catch(over)
        break
      case 'chunked':
        response.writeHead(200)
        send(response, Number(id), Number(bytes), Number(pace)).catch(over)
        break
      case 'up':
        receive(incoming).then(got => {
          uploads.set(id, got.bytes)
          response.end(`${id} ${got.hash}`)
        }, over)
        break
      case 'events':
        void sendEvents(response, id, Number(bytes), Number(pace))
        break
      default:
        response.end(`${id} here`)
    }
  }

  function upgrade(incoming: IncomingMessage, socket: Duplex): void {
    const [, , id = ''] = (incoming.url ?? '').split('/')
    asked.set(id, (asked.get(id) ?? 0) + 1)
    open++
    socket.once('close', () => open--)
    acceptUpgrade(incoming, socket)
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      for (const payload of reader.push(chunk)) socket.write(frame(payload, false))
    })
    socket.on('end', () => socket.end())
    socket.on('error', () => socket.destroy())
  }

  const server = createServer(serve).on('upgrade', upgrade)
  const tcp = createTcpServer({ allowHalfOpen: true }, socket => {
    open++
    sockets.add(socket)
    socket.once('close', () => {
      open--
      sockets.delete(socket)
    })
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
    for (const socket of sockets) socket.destroy()
    tcp.close()
  })
  return {
    port: await listen(server, httpPort),
    tcpPort: await listen(tcp),
    asked,
    uploads,
    get open() {
      return open
    },
  }
}

async function sendEvents(response: ServerResponse, id: string, count: number, paceMs: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let number = 0; number < count && !response.destroyed; number++) {
    response.write(`data: ${id} ${number}\n\n`)
    await new Promise(resolve => setTimeout(resolve, paceMs))
  }
  response.end()
}

function listen(server: ReturnType<typeof createTcpServer>, port = 0): Promise<number> {
  return new Promise(resolve => {
    server.listen(port, '127.0.0.1', 4_096, () => resolve((server.address() as AddressInfo).port))
  })
}
