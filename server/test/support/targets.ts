// Local services for tests: Node's HTTP server, and raw sockets with scripted answers.
import { once } from 'node:events'
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Cleaner } from './programs.ts'

/** An HTTP service on a free port; ended after the test. */
export async function httpTarget(t: Cleaner, listener: RequestListener, prepare?: (server: HttpServer) => void) {
  const server = createHttpServer(listener)
  prepare?.(server)
  const port = await listen(t, server)
  t.after(() => server.closeAllConnections())
  return port
}

/** A service that is handed every connection, with the bytes that came so far on `socket.text()`. */
export async function rawTarget(t: Cleaner, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    serve(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  return await listen(t, server)
}

/** A raw service that answers each request head with these bytes; `end`: what it does then. */
export async function scriptedTarget(t: Cleaner, answer: string, end?: (socket: Socket) => void): Promise<number> {
  return await rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      text = ''
      socket.write(answer, 'latin1', () => end?.(socket))
    })
  })
}

async function listen(t: Cleaner, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}
