// The API for commands, loaded by those that call it: help and wrong usage are told at once.
import type { ApiClients } from '../api/client.ts'
import type { Settings } from '../config/config.ts'

/** Calls once, with the API of the server that runs, or without one in this process. Rejects with Failure. */
export async function withApi<T>(settings: Settings, call: (api: ApiClients) => Promise<T>): Promise<T> {
  const reach = await import('../reach.ts')
  return await reach.withApi(settings, call)
}

/** The same for every server that runs, beside a stand-in two of them: what each knows of what is open there. */
export async function withEachApi<T>(settings: Settings, call: (api: ApiClients) => Promise<T>): Promise<T[]> {
  const reach = await import('../reach.ts')
  return await reach.withEachApi(settings, call)
}
