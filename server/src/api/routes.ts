// Every service of the API, over the owner's verbs.
import type { DescService } from '@bufbuild/protobuf'
import type { ConnectRouter } from '@connectrpc/connect'
import {
  AddressService,
  LogService,
  MetricsService,
  PanelService,
  TokenService,
  TunnelService,
} from '@pbt/proto/admin/v1'
import { Health } from '@pbt/proto/grpc/health/v1'
import { ServerReflection } from '@pbt/proto/grpc/reflection/v1'
import { ServerReflection as OldReflection } from '@pbt/proto/grpc/reflection/v1alpha'
import type { Owner } from '../owner/owner.ts'
import { tellHealth } from './health.ts'
import { reflect } from './reflection.ts'
import { addressService } from './services/address.ts'
import { logService } from './services/log.ts'
import { metricsService } from './services/metrics.ts'
import { panelService } from './services/panel.ts'
import { tokenService } from './services/token.ts'
import { tunnelService } from './services/tunnel.ts'

/** What services need besides the verbs. */
export interface RouteOptions {
  readonly owner: Owner
  /** Aborted when the server stops taking visitors: streams end. */
  readonly draining: AbortSignal
}

const SERVICES: readonly DescService[] = [
  AddressService,
  LogService,
  MetricsService,
  PanelService,
  TokenService,
  TunnelService,
]

/** Adds them to a router. */
export function routes({ owner, draining }: RouteOptions, router: ConnectRouter): void {
  router.service(AddressService, addressService(owner))
  router.service(LogService, logService(owner, draining))
  router.service(MetricsService, metricsService(owner))
  router.service(PanelService, panelService(owner))
  router.service(TokenService, tokenService(owner))
  router.service(TunnelService, tunnelService(owner))
  tellHealth(SERVICES, draining, router)
  reflect([...SERVICES, Health, ServerReflection, OldReflection], router)
}
