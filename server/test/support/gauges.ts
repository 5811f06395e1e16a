// What a server says of itself at the moment, scraped as Prometheus does.

export { lastingPort as freePort } from './ports.ts'

/** Requests, connections and flows under way, and open connections of visitors. */
export async function gauges(metricsPort: number): Promise<{ channels: number; connections: number }> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)`, 'm').exec(text)?.[1])
  return { channels: value('pbt_channels'), connections: value('pbt_connections') - value('pbt_sessions') }
}
