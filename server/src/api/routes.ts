// Every service of the API, over the owner's verbs.
import type { DescService } from '@bufbuild/protobuf'
import type { ConnectRouter } from '@connectrpc/connect'
import {
  AddressService,
  ClientService,
  DomainService,
  LogService,
  MetricsService,
  PanelService,
  ServerService,
  TokenService,
  TunnelService,
} from '@pbt/proto/admin/v1'
import { Health } from '@pbt/proto/grpc/health/v1'
import { ServerReflection } from '@pbt/proto/grpc/reflection/v1'
import { ServerReflection as OldReflection } from '@pbt/proto/grpc/reflection/v1alpha'
import type { Events } from '../owner/events.ts'
import type { Owner } from '../owner/owner.ts'
import { tellHealth } from './health.ts'
import { reflect } from './reflection.ts'
import { addressService } from './services/address.ts'
import { clientService } from './services/client.ts'
import { domainService } from './services/domain.ts'
import { logService } from './services/log.ts'
import { metricsService } from './services/metrics.ts'
import { panelService } from './services/panel.ts'
import { serverService } from './services/server.ts'
import { tokenService } from './services/token.ts'
import { tunnelService } from './services/tunnel.ts'
import { watchService } from './services/watch.ts'

/** What services need besides the verbs. */
export interface RouteOptions {
  readonly owner: Owner
  /** Undefined: no server runs, and nothing can be watched. */
  readonly events: Events | undefined
  /** Aborted when the server stops taking visitors: streams end. */
  readonly draining: AbortSignal
}

const SERVICES: readonly DescService[] = [
  AddressService,
  ClientService,
  DomainService,
  LogService,
  MetricsService,
  PanelService,
  ServerService,
  TokenService,
  TunnelService,
]

/** Adds them to a router. */
export function routes({ owner, events, draining }: RouteOptions, router: ConnectRouter): void {
  router.service(AddressService, addressService(owner))
  router.service(DomainService, domainService(owner))
  router.service(LogService, logService(owner, draining))
  router.service(MetricsService, metricsService(owner))
  router.service(ClientService, clientService(owner))
  router.service(PanelService, panelService(owner))
  router.service(ServerService, {
    ...serverService(owner, () => events?.last ?? 0),
    ...(events && watchService({ owner, events, draining })),
  })
  router.service(TokenService, tokenService(owner))
  router.service(TunnelService, tunnelService(owner))
  tellHealth(SERVICES, draining, router)
  reflect([...SERVICES, Health, ServerReflection, OldReflection], router)
}
