// For tests: what a client that trusts one authority sees when it shakes hands with a keyring.
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { connect, createServer } from 'node:tls'
import type { Keyring } from '../relay/keyring.ts'

/** The common name of the certificate that was shown ("no name": without one), or the code with which the handshake failed. */
export async function handshake(t: TestContext, keyring: Keyring, servername: string, ca: string): Promise<string> {
  const server = createServer({ SNICallback: (name, call) => call(null, keyring.contextFor(name)) })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect({ host: '127.0.0.1', port: address.port, servername, ca })
  try {
    await once(socket, 'secureConnect')
    const names: { CN?: unknown } = socket.getPeerCertificate().subject ?? {}
    return typeof names.CN === 'string' ? names.CN : 'no name'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  } finally {
    socket.destroy()
  }
}
