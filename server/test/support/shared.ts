// Programs that all tests of a file share, and a client with many tunnels: half a test's time is to start its programs.
import { after } from 'node:test'
import { type Cleaner, type Program, type RunningServer, startClient, type TunnelOptions } from './programs.ts'

/** What `make` makes, for all tests of this file: made when the first asks for it, and ended, the newest first, after the last.
 *  Called at the top of a file. */
export function shared<T>(make: (file: Cleaner) => Promise<T>): () => Promise<T> {
  const ends: (() => unknown)[] = []
  let made: Promise<T> | undefined
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return async () => {
    made ??= make({ after: end => void ends.push(end) })
    return await made
  }
}

/** One client with a tunnel for each of these specs of `pbt up`, all online, and the first address of each, in their order. */
export async function startTunnels(
  t: Cleaner,
  server: RunningServer,
  specs: readonly string[],
  options: TunnelOptions = {},
): Promise<{ client: Program; urls: URL[]; ports: number[] }> {
  const { client } = await startClient(t, server, ['up', ...specs], options)
  const online = await client.until(() => {
    const events = client.events.filter(({ event }) => event === 'online')
    return events.length < specs.length ? undefined : events
  }, 'all tunnels')
  const urls = online
    .sort((one, other) => Number(one.number) - Number(other.number))
    .map(each => new URL(String((each.urls as unknown[])[0])))
  return { client, urls, ports: urls.map(({ port }) => Number(port)) }
}
