// What a server says of itself at the moment, scraped as Prometheus does.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port for `--metrics-port` that is free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Requests, connections and flows under way, and open connections of visitors. */
export async function gauges(metricsPort: number): Promise<{ channels: number; connections: number }> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  const value = (name: string) => Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)`, 'm').exec(text)?.[1])
  return { channels: value('pbt_channels'), connections: value('pbt_connections') - value('pbt_sessions') }
}
