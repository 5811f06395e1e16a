// Exports the figures: a port for Prometheus, and OTLP to a collector. The only user of OpenTelemetry's SDK.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ValueType } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  type MetricProducer,
  type MetricReader,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { DURATION_BOUNDS_MS } from './access-log.ts'
import type { Log } from './log.ts'
import { DURATION_METRIC, METRICS, type Seen } from './metrics.ts'

/** Resolution of the loop's delay, milliseconds. */
const LOOP_RESOLUTION_MS = 10
/** A collector that does not answer is waited for this long, milliseconds. */
const EXPORT_TIMEOUT_MS = 5_000

/** Which figures are exported, and where to. */
export interface TelemetryOptions {
  readonly seen: Omit<Seen, 'loopDelay'>
  /** Requests by class of duration, and their sum. */
  readonly durations: () => { readonly counts: readonly number[]; readonly sumMs: number }
  readonly version: string
  /** For Prometheus; port 0 for none. */
  readonly address: string
  readonly port: number
  /** The collector's URL for metrics; empty for none. */
  readonly otlpEndpoint: string
  readonly otlpIntervalMs: number
  readonly log: Log
}

/** Serves and sends figures until the returned function is called. Rejects when the port cannot be bound. */
export async function exportFigures(options: TelemetryOptions): Promise<() => Promise<void>> {
  const { address, port, otlpEndpoint, otlpIntervalMs } = options
  const scope = { name: 'pbt-server', version: options.version }
  const resource = resourceFromAttributes({ 'service.name': 'pbt-server', 'service.version': options.version })
  const metricProducers = [durationProducer(options, resource, scope)]
  const readers: MetricReader[] = []
  let prometheus: PrometheusExporter | undefined
  if (port > 0) {
    prometheus = new PrometheusExporter({ host: address, port, preventServerStart: true, metricProducers })
    readers.push(prometheus)
  }
  if (otlpEndpoint !== '') {
    const exporter = new OTLPMetricExporter({ url: otlpEndpoint, timeoutMillis: EXPORT_TIMEOUT_MS })
    const exportTimeoutMillis = Math.min(EXPORT_TIMEOUT_MS, otlpIntervalMs)
    readers.push(
      new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: otlpIntervalMs,
        exportTimeoutMillis,
        metricProducers,
      }),
    )
  }
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  loop.enable()
  const seen: Seen = {
    ...options.seen,
    loopDelay: () => {
      // The histogram has the timer's own interval in it.
      const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - LOOP_RESOLUTION_MS)
      const delay = { p99Ms: late(loop.percentile(99)), maxMs: late(loop.max) }
      loop.reset()
      return delay
    },
  }
  const provider = new MeterProvider({ readers, resource })
  const meter = provider.getMeter(scope.name, scope.version)
  for (const { name, kind, unit, doc, read } of METRICS) {
    const about = { description: doc, unit }
    const instrument =
      kind === 'counter' ? meter.createObservableCounter(name, about) : meter.createObservableGauge(name, about)
    instrument.addCallback(result => read(seen, (value, attributes) => result.observe(value, attributes)))
  }
  const stop = async () => {
    loop.disable()
    // A collector that is not there must not hold up the end.
    await provider.shutdown().catch((error: unknown) => options.log.warn('last metrics not sent', { error }))
  }
  try {
    await prometheus?.startServer()
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}

/** The histogram: OpenTelemetry's own would cost a call for each request. */
function durationProducer(
  { durations }: TelemetryOptions,
  resource: ReturnType<typeof resourceFromAttributes>,
  scope: { name: string; version: string },
): MetricProducer {
  const startTime = hrTime(Date.now())
  return {
    collect: async () => {
      const { counts, sumMs } = durations()
      const value = {
        buckets: { boundaries: [...DURATION_BOUNDS_MS], counts: [...counts] },
        sum: sumMs,
        count: counts.reduce((sum, count) => sum + count, 0),
      }
      const { name, unit, doc } = DURATION_METRIC
      const metric = {
        descriptor: { name, unit, description: doc, valueType: ValueType.DOUBLE },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.HISTOGRAM as const,
        dataPoints: [{ startTime, endTime: hrTime(Date.now()), attributes: {}, value }],
      }
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: [metric] }] }, errors: [] }
    },
  }
}

function hrTime(ms: number): [number, number] {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1e6]
}
