// A gRPC server that takes links and does with them what the test says.
import { create } from '@bufbuild/protobuf'
import { type Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { decodeLinkFrames, encodeLinkFrame, type LinkFrame } from '@pbt/proto'
import { WelcomeSchema } from '@pbt/proto/tunnel/v1'
import { LINK_PATH } from '../dial.ts'
import { TEST_CERTIFICATE, TEST_KEY } from './certificate.ts'

export type LinkCall = ServerDuplexStream<Buffer, Buffer>

export interface LinkServer {
  readonly port: number
  close(): void
}

/** Listens on loopback. `onHello` gets every call after its first batch. */
export async function startLinkServer(
  onHello: (call: LinkCall, hello: LinkFrame, metadata: Metadata) => void,
): Promise<LinkServer> {
  const server = new Server()
  const asIs = (batch: Buffer) => batch
  const definition = {
    link: {
      path: LINK_PATH,
      requestStream: true,
      responseStream: true,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  }
  server.addService(definition, {
    link: (call: LinkCall) => {
      call.on('error', () => {})
      call.once('data', (batch: Buffer) => {
        const [hello] = decodeLinkFrames(batch)
        if (hello !== undefined) onHello(call, hello, call.metadata)
      })
    },
  })
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(TEST_CERTIFICATE), private_key: Buffer.from(TEST_KEY) },
  ])
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  return { port, close: () => server.forceShutdown() }
}

/** The server's answer to hello. */
export function welcomeBatch(major = 1): Buffer {
  const value = create(WelcomeSchema, {
    major,
    agent: 'pbt-server/test',
    sessionId: new Uint8Array(16),
    graceMs: 30_000,
  })
  return encodeLinkFrame({ case: 'welcome', value })
}
