// A target that keeps each visitor at the stage that its path names, and knows what is under way.
import type { Socket } from 'node:net'
import type { Cleaner } from './programs.ts'
import { rawTarget } from './targets.ts'

/**
 * `hang`: never answers and reads on. `unread`: never answers, nor reads what follows the head. `begun`: a part of an answer.
 * `events`: an event stream with an event now and then. `until-close`: an answer that ends with the connection.
 * `upgrade-hang`: never answers an upgrade. `upgrade`: 101, then an echo.
 */
export const STAGES = ['hang', 'unread', 'begun', 'events', 'until-close', 'upgrade-hang', 'upgrade'] as const
export type Stage = (typeof STAGES)[number]

const EVENT_MS = 100
/** Only a failure waits for it. */
const WAIT_MS = 60_000
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

export class StageTarget {
  port = 0
  /** Of TCP connections: echoes, ends when its visitor does. */
  tcpPort = 0
  /** What is not over, by what its visitor asked for. */
  readonly underWay = new Map<Socket, string>()
  /** TCP connections that are open. */
  readonly tcp = new Set<Socket>()
  /** All that were ever asked for. */
  readonly seen = new Set<string>()
  private waiting: (() => void)[] = []

  async start(t: Cleaner): Promise<this> {
    this.port = await rawTarget(t, socket => this.serve(socket))
    this.tcpPort = await rawTarget(t, socket => this.echo(socket))
    return this
  }

  /** Waits until somebody has asked for each of these. */
  async sees(...paths: readonly string[]): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    const missing = () => paths.filter(path => !this.seen.has(path))
    while (missing().length > 0) {
      if (deadline.aborted) throw new Error(`${missing().length} requests did not come, ${missing()[0]} among them`)
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  private echo(socket: Socket): void {
    this.tcp.add(socket)
    socket.once('close', () => this.tcp.delete(socket))
    socket.on('data', chunk => socket.write(chunk))
    socket.on('end', () => socket.end())
    this.wake()
  }

  private serve(socket: Socket): void {
    let text = ''
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const path = text.split(' ', 2)[1] ?? ''
      text = ''
      socket.off('data', onData)
      this.underWay.set(socket, path)
      this.seen.add(path)
      this.answer(socket, path.split('/')[1] as Stage | 'small')
      this.wake()
    }
    socket.on('data', onData)
    socket.once('close', () => this.underWay.delete(socket))

    socket.on('end', () => socket.end())
  }

  private answer(socket: Socket, stage: Stage | 'small'): void {
    switch (stage) {
      case 'small':
        this.underWay.delete(socket)
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
        return
      case 'unread':
        // Nor does it see the end of what it does not read: nothing that the other side could help.
        this.underWay.delete(socket)
        socket.pause()
        return
      case 'begun':
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun')
        break
      case 'events': {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
        const timer = setInterval(() => socket.write('6\r\nbegun\n\r\n'), EVENT_MS)
        socket.once('close', () => clearInterval(timer))
        break
      }
      case 'until-close':
        socket.write('HTTP/1.0 200 OK\r\n\r\nbegun')
        break
      case 'upgrade':
        socket.write(`${SWITCH}begun`)
        socket.on('data', chunk => socket.write(chunk))
        return
      case 'hang':
      case 'upgrade-hang':
    }
    socket.resume()
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
