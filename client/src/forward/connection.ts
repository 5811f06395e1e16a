// One connection to a target: its listeners are set once and point at the exchange it serves at the moment.
import { readSync } from 'node:fs'
import type { Socket } from 'node:net'

/** Who uses a connection. Called synchronously; must not throw. */
export interface ConnectionUser {
  onSocketData(chunk: Buffer): void
  /** The target closed its side cleanly. */
  onSocketEnd(): void
  /** The connection is gone; with an error unless it was this end's doing. */
  onSocketClose(error: Error | undefined): void
  onSocketDrain(): void
}

const HANDLE = '_handle'
const ONE = Buffer.alloc(1)

/** Owns its socket. While nobody uses it, bytes or an end from the target destroy it. */
export class Connection {
  readonly socket: Socket
  /** The exchange that uses it; undefined while it is idle. */
  user: ConnectionUser | undefined
  /** The target may have authenticated it for the visitor whose connection has this name; undefined: for nobody. */
  boundTo: string | undefined
  /** Requests that it has served. */
  uses = 0
  /** How long it had idled when it was lent. */
  idledMs = 0
  private error: Error | undefined

  /** `dropped` is called once, when it closes while it has no user. */
  constructor(socket: Socket, dropped: (connection: Connection) => void) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      if (this.user !== undefined) this.user.onSocketData(chunk)
      else socket.destroy() // nobody asked: whatever it is must not be taken for the next answer
    })
    socket.on('end', () => {
      if (this.user !== undefined) this.user.onSocketEnd()
      else socket.destroy()
    })
    socket.on('error', error => {
      this.error = error
    })
    socket.on('close', () => {
      const { user } = this
      this.user = undefined
      if (user === undefined) dropped(this)
      else user.onSocketClose(this.error)
    })
    socket.on('drain', () => this.user?.onSocketDrain())
  }

  get isUsable(): boolean {
    return this.socket.writable && this.socket.readable && !this.socket.destroyed
  }

  /**
   * Whether nothing has come that the loop has not told yet, bytes or the end. Node has no way to ask; where it keeps the
   * descriptor is not documented, and a test holds Node to that. Where there is none it is taken for silent.
   */
  isSilent(): boolean {
    const handle: unknown = Reflect.get(this.socket, HANDLE)
    const fd = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
    if (typeof fd !== 'number' || fd < 0) return true
    // Its place in the code is of no use to anybody, and half of what the error costs.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      readSync(fd, ONE, 0, 1, null)
      return false
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  destroy(): void {
    this.user = undefined
    this.socket.destroy()
  }
}
