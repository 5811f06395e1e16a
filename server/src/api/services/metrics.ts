// Figures over time, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import type { FiguresSchema, GetSeriesRequest, GetTotalsRequest, MetricsService } from '@pbt/proto/admin/v1'
import { type Figures, type FiguresQuery, MAX_POINTS } from '../../owner/metrics.ts'
import type { Owner } from '../../owner/owner.ts'
import { dateOf, pageSizeOf } from '../values.ts'

const MINUTE_MS = 60_000

/** Messages of the API over `metrics` of the owner, which does the work. */
export function metricsService({ metrics }: Pick<Owner, 'metrics'>): ServiceImpl<typeof MetricsService> {
  return {
    async getTotals(request, { signal }) {
      const query = { ...queryOf(request), omitByTunnel: request.omitByTunnel }
      const { totals, before, byTunnel } = await metrics.totals(query, signal)
      return {
        totals: figuresMessage(totals),
        before: figuresMessage(before),
        byTunnel: byTunnel.map(({ tunnel, figures }) => ({ tunnel, figures: figuresMessage(figures) })),
      }
    },
    async getSeries(request, { signal }) {
      const maxPoints = pageSizeOf(request.maxPoints, MAX_POINTS, MAX_POINTS, 'max_points')
      const { stepMinutes, points } = await metrics.series(queryOf(request), maxPoints, signal)
      return {
        step: durationFromMs(stepMinutes * MINUTE_MS),
        points: points.map(({ at, figures }) => ({ time: timestampFromDate(at), figures: figuresMessage(figures) })),
      }
    },
  }
}

/** For other services that tell of figures. */
export function figuresMessage(figures: Figures): MessageInitShape<typeof FiguresSchema> {
  const { firstByteP50Ms, firstByteP95Ms, openOnAverage } = figures
  return {
    requests: BigInt(figures.requests),
    status2xx: BigInt(figures.status2xx),
    status3xx: BigInt(figures.status3xx),
    status4xx: BigInt(figures.status4xx),
    status5xx: BigInt(figures.status5xx),
    upgrades: BigInt(figures.upgrades),
    connections: BigInt(figures.connections),
    flows: BigInt(figures.flows),
    refused: BigInt(figures.refused),
    broken: BigInt(figures.broken),
    bytesIn: BigInt(figures.bytesIn),
    bytesOut: BigInt(figures.bytesOut),
    datagramsDropped: BigInt(figures.datagramsDropped),
    ...(firstByteP50Ms !== undefined && { firstByteP50Ms }),
    ...(firstByteP95Ms !== undefined && { firstByteP95Ms }),
    ...(openOnAverage !== undefined && { openOnAverage }),
  }
}

function queryOf({ tunnel, startTime, endTime }: GetTotalsRequest | GetSeriesRequest): FiguresQuery {
  return {
    ...(tunnel !== '' && { tunnel }),
    from: dateOf('start_time', startTime),
    to: dateOf('end_time', endTime),
  }
}
