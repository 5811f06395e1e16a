// The API as commands call it: over the socket of a running server, or in this process on the database.
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Transport,
} from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import {
  AddressService,
  DomainService,
  LogService,
  MetricsService,
  PanelService,
  ServerService,
  TokenService,
  TunnelService,
} from '@pbt/proto/admin/v1'
import { ErrorInfoSchema } from '@pbt/proto/google/rpc'
import { Failure, isFailureCode } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import type { Owner } from '../owner/owner.ts'
import { tellFailures } from './errors.ts'
import { routes } from './routes.ts'

/** A client for each service. Calls reject with ConnectError; `failureIn` has it in words. */
export interface ApiClients {
  readonly addresses: Client<typeof AddressService>
  readonly domains: Client<typeof DomainService>
  readonly tokens: Client<typeof TokenService>
  readonly panel: Client<typeof PanelService>
  readonly log: Client<typeof LogService>
  readonly tunnels: Client<typeof TunnelService>
  readonly server: Client<typeof ServerService>
  readonly metrics: Client<typeof MetricsService>
}

/** How long a command waits for an answer, milliseconds. */
const CALL_MS = 30_000
/** Of a server that listens there. */
const NOBODY_LISTENS = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'])

/** Of the server that listens on this socket. */
export function clientsAt(socketPath: string): ApiClients {
  return clientsOver(
    createConnectTransport({
      httpVersion: '1.1',
      baseUrl: 'http://localhost',
      nodeOptions: { socketPath },
      defaultTimeoutMs: CALL_MS,
    }),
  )
}

/** In this process, over verbs on the database. */
export function clientsOf(owner: Owner, log: Log): ApiClients {
  const draining = new AbortController().signal
  const options = { router: { interceptors: [tellFailures(log)] } }
  return clientsOver(createRouterTransport(router => routes({ owner, events: undefined, draining }, router), options))
}

/** Whether a call failed because no process listens on the socket. */
export function isNobodyThere(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.Unavailable) return false
  const { cause } = error
  return cause instanceof Error && 'code' in cause && NOBODY_LISTENS.has(String(cause.code))
}

/** What a call told of its failure; anything else as it is. */
export function failureIn(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error
  const [info] = error.findDetails(ErrorInfoSchema)
  const { cure = '', ...metadata } = info?.metadata ?? {}
  const code = info !== undefined && isFailureCode(info.reason) ? info.reason : 'internal'
  return new Failure(code, error.rawMessage, { cure, metadata, cause: error })
}

function clientsOver(transport: Transport): ApiClients {
  return {
    addresses: createClient(AddressService, transport),
    domains: createClient(DomainService, transport),
    tokens: createClient(TokenService, transport),
    panel: createClient(PanelService, transport),
    log: createClient(LogService, transport),
    tunnels: createClient(TunnelService, transport),
    server: createClient(ServerService, transport),
    metrics: createClient(MetricsService, transport),
  }
}
