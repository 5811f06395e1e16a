// Figures for those who watch, if anybody does.
import type { TelemetryOptions } from './telemetry.ts'

/** Serves and sends figures until the returned function is called. Rejects when the port cannot be bound. */
export async function startTelemetry(options: TelemetryOptions): Promise<() => Promise<void>> {
  if (options.port === 0 && options.otlpEndpoint === '') return async () => {}
  // OpenTelemetry's SDK takes a third of the time that a server takes to start: it is loaded for those who want it.
  const { exportFigures } = await import('./telemetry.ts')
  return await exportFigures(options)
}
