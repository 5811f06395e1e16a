// A visitor's connection that is read into buffers which are used again.
import { Socket, type SocketConstructorOpts } from 'node:net'
import { withReadBuffers } from '@pbt/proto'

const HANDLE = '_handle'

/**
 * The same connection, just accepted and not read yet, as a socket of its own that reads so; the listener of its `data` has to
 * do so before the loop goes on. The one given must not be used any more, and its server no longer knows of it.
 *
 * Node has `onread` for sockets that dial only. Those of its servers get 64 KiB of new memory for each read, even of a few
 * bytes: 8 % of what an upload costs, 3 % of a small request. So the handle gets a second socket; where Node keeps
 * it is not documented, and a test holds Node to that. On a Node that keeps it elsewhere the connection comes back as it is.
 */
export function readInBulk(accepted: Socket, bufferBytes: number): Socket {
  const handle: unknown = Reflect.get(accepted, HANDLE)
  if (typeof handle !== 'object' || handle === null) return accepted
  Reflect.set(accepted, HANDLE, null)
  accepted.destroy()
  return withReadBuffers(onread => {
    const options = {
      handle,
      onread,
      allowHalfOpen: accepted.allowHalfOpen,
      readableHighWaterMark: bufferBytes,
      writableHighWaterMark: bufferBytes,
    }
    return new Socket(options as SocketConstructorOpts)
  })
}
