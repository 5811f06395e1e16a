// The API of a running server as programs call it: over gRPC, with the token.
import { readFileSync } from 'node:fs'
import type { DescService } from '@bufbuild/protobuf'
import { type Client, createClient, type Interceptor } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import type { Cleaner, RunningServer } from './programs.ts'

/** A client of this service on a connection of its own, which is closed after the test. `token`: '' for none. */
export function apiClient<Service extends DescService>(
  t: Cleaner,
  server: RunningServer,
  service: Service,
  token = server.token,
): Client<Service> {
  const baseUrl = `https://admin.localhost:${server.https}`
  const authorize: Interceptor = next => request => {
    if (token !== '') request.header.set('authorization', `Bearer ${token}`)
    return next(request)
  }
  const nodeOptions = { ca: readFileSync(server.ca), lookup: toThisMachine }
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions)
  t.after(() => sessionManager.abort())
  return createClient(service, createGrpcTransport({ baseUrl, nodeOptions, sessionManager, interceptors: [authorize] }))
}

/** Names below localhost are not known to every resolver. */
const toThisMachine: NonNullable<import('node:net').TcpSocketConnectOpts['lookup']> = (_name, options, found) => {
  if (options.all === true) found(null, [{ address: '127.0.0.1', family: 4 }])
  else found(null, '127.0.0.1', 4)
}
