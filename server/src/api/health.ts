// Health (grpc.health.v1): whether the server serves, for the server as a whole and for each of its services.

import type { DescService } from '@bufbuild/protobuf'
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect'
import { Health, HealthCheckResponse_ServingStatus as Status } from '@pbt/proto/grpc/health/v1'

/** Adds health to a router. `draining` is aborted when the server takes no new visitors any more. */
export function tellHealth(services: readonly DescService[], draining: AbortSignal, router: ConnectRouter): void {
  const names = new Set(['', ...services.map(({ typeName }) => typeName)])
  const now = () => ({ status: draining.aborted ? Status.NOT_SERVING : Status.SERVING })
  router.service(Health, {
    check: ({ service }) => {
      if (!names.has(service)) throw new ConnectError(`there is no service "${service}" here`, Code.NotFound)
      return now()
    },
    async *watch({ service }, { signal }) {
      if (!names.has(service)) {
        yield { status: Status.SERVICE_UNKNOWN }
        return
      }
      yield now()
      if (draining.aborted) return
      await ended(AbortSignal.any([draining, signal]))
      if (!signal.aborted) yield now()
    },
  })
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
