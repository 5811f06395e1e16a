// An HTTP proxy that takes CONNECT, as a test wants it.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

/** Whoever ends what was started. */
interface Cleaner {
  after(end: () => unknown): void
}

/** How it behaves, and what it has seen. */
export class ConnectProxy {
  port = 0
  /** `user:password` that it asks for, '' for none. */
  credentials = ''
  /** Its answer instead of a connection: all of it, or '' to close at once; undefined: it connects. */
  answer: string | undefined
  /** What is sent to it is not read and not answered. */
  isSilent = false
  /** Where connections lead, whatever they ask for. */
  readonly beyond: number
  readonly asked: string[] = []
  bytes = 0
  private readonly sockets = new Set<Socket>()

  constructor(beyond: number) {
    this.beyond = beyond
  }

  /** Listens on a free port of loopback. `tls`: it speaks TLS itself. */
  async start(t: Cleaner, tls?: { readonly key: string; readonly cert: string }): Promise<this> {
    const take = (socket: Socket) => this.accept(socket)
    const server = tls === undefined ? createServer(take) : createTlsServer({ ...tls }, take)
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    t.after(() => {
      this.cut()
      server.close()
    })
    return this
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }

  private accept(near: Socket): void {
    this.keep(near)
    if (this.isSilent) return
    let head = ''
    const onData = (chunk: Buffer) => {
      if (chunk[0] === 0x16) near.end('HTTP/1.1 400 Bad Request\r\n\r\n') // a TLS handshake
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      near.off('data', onData)
      this.answerTo(near, head)
    }
    near.on('data', onData)
  }

  private answerTo(near: Socket, head: string): void {
    this.asked.push(head.split('\r\n', 1)[0] ?? '')
    const given = /^Proxy-Authorization: Basic (.*)$/im.exec(head)?.[1] ?? ''
    if (this.answer !== undefined) near.end(this.answer)
    else if (Buffer.from(given, 'base64').toString() !== this.credentials)
      near.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n',
      )
    else this.join(near)
  }

  private join(near: Socket): void {
    const far = connect({ port: this.beyond, host: '127.0.0.1', noDelay: true }, () => {
      near.write('HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n')
      near.on('data', chunk => {
        this.bytes += chunk.length
      })
      near.pipe(far).pipe(near)
    })
    this.keep(far)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  }
}
