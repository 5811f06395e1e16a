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
  const book = new Book()
  const server = createServer((incoming, response) => serve(book, incoming, response))
  server.on('upgrade', (incoming, socket) => upgrade(book, incoming, socket))
  const sockets = new Set<Socket>()
  const tcp = createTcpServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    book.opened(socket)
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
    asked: book.asked,
    uploads: book.uploads,
    get open() {
      return book.open
    },
  }
}

class Book {
  readonly asked = new Map<string, number>()
  readonly uploads = new Map<string, number>()
  open = 0

  /** A request with this id has come. */
  request(id: string): void {
    this.asked.set(id, (this.asked.get(id) ?? 0) + 1)
  }

  /** Counts as open until it closes. */
  opened(transfer: ServerResponse | Duplex): void {
    this.open++
    transfer.once('close', () => this.open--)
  }
}

function serve(book: Book, incoming: IncomingMessage, response: ServerResponse): void {
  const [, kind = '', id = '', bytes = '0', pace = '0'] = (incoming.url ?? '').split('/')
  book.request(id)
  book.opened(response)
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
        book.uploads.set(id, got.bytes)
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

function upgrade(book: Book, incoming: IncomingMessage, socket: Duplex): void {
  const [, , id = ''] = (incoming.url ?? '').split('/')
  book.request(id)
  book.opened(socket)
  acceptUpgrade(incoming, socket)
  const reader = new FrameReader()
  socket.on('data', (chunk: Buffer) => {
    for (const payload of reader.push(chunk)) socket.write(frame(payload, false))
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => socket.destroy())
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
