// The connections that grpc-js makes for one dial. It has no way to end those that are being made, and a client that was closed while
// it waited to try again connects once more, and keeps that connection for good.
import type { Socket } from 'node:net'
import type { ChannelCredentials } from '@grpc/grpc-js'

/** From its end on there are no further ones. */
export class Connections {
  private readonly sockets = new Set<Socket>()
  private isOver = false

  /** The same credentials, for connections that are counted here. */
  with(credentials: ChannelCredentials): ChannelCredentials {
    const connector = credentials._createSecureConnector.bind(credentials)
    credentials._createSecureConnector = (target, options, callCredentials) => {
      const secure = connector(target, options, callCredentials)
      return {
        connect: socket => {
          this.sockets.add(socket)
          socket.once('close', () => this.sockets.delete(socket))
          if (this.isOver) socket.destroy()
          return secure.connect(socket)
        },
        // Asked before each connection.
        waitForReady: async () => {
          if (this.isOver) throw new Error('the dial is over')
          await secure.waitForReady()
        },
        getCallCredentials: () => secure.getCallCredentials(),
        destroy: () => secure.destroy(),
      }
    }
    return credentials
  }

  /** No further ones. */
  end(): void {
    this.isOver = true
  }

  /** No further ones, and those that there are end at once. */
  cut(): void {
    this.end()
    for (const socket of this.sockets) socket.destroy()
  }
}
