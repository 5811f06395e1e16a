// Visitors of public TCP ports, and how their connections end.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A visitor of a public port; `from`: its address, one of 127.0.0.0/8. */
export async function visit(t: TestContext, port: number, from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true, noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** What a visitor of a port gets who may be turned away before anything else. */
export async function outcome(
  t: TestContext,
  port: number,
  from = '127.0.0.1',
): Promise<{ text: string; end: string }> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  t.after(() => socket.destroy())
  return await untilEnd(socket)
}

/** What a socket gets until it ends: the text and how it ended. */
export async function untilEnd(socket: Socket): Promise<{ text: string; end: string }> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  return await new Promise(resolve => {
    socket.on('end', () => resolve({ text, end: 'clean' }))
    socket.on('error', error => resolve({ text, end: 'code' in error ? String(error.code) : 'error' }))
  })
}
