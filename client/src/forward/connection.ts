// One connection to a target: its listeners are set once and point at the exchange it serves at the moment.
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

export class Connection {
  readonly socket: Socket
  /** The exchange that uses it; undefined while it is idle. */
  user: ConnectionUser | undefined
  /** The target may have authenticated it for the visitor whose connection has this name; undefined: for nobody. */
  boundTo: string | undefined
  private error: Error | undefined

  /** `dropped` is called once, when an idle connection can no longer be used. */
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

  destroy(): void {
    this.user = undefined
    this.socket.destroy()
  }
}
