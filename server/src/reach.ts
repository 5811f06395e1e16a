// How a command reaches the owner's verbs: those of the server that runs on the data directory, else its own on the database.
import { readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type ApiClients, clientsAt, clientsOf, failureIn, isNobodyThere } from './api/client.ts'
import { socketDirectory } from './api/open.ts'
import type { Settings } from './config/config.ts'
import { openLog } from './observe/log.ts'

/** Calls once, with the API of the server that started last, or without one in this process. Rejects with Failure. */
export async function withApi<T>(settings: Settings, call: (api: ApiClients) => Promise<T>): Promise<T> {
  for (const socket of socketsIn(settings.config.dataDir)) {
    try {
      return await call(clientsAt(socket))
    } catch (error) {
      if (!isNobodyThere(error)) throw failureIn(error)
      // Of a server that was killed.
      rmSync(socket, { force: true })
    }
  }
  return await offline(settings, call)
}

/** The same for every server that runs, beside a stand-in two of them: what each knows of what is open there. */
export async function withEachApi<T>(settings: Settings, call: (api: ApiClients) => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  for (const socket of socketsIn(settings.config.dataDir)) {
    try {
      answers.push(await call(clientsAt(socket)))
    } catch (error) {
      if (!isNobodyThere(error)) throw failureIn(error)
      rmSync(socket, { force: true })
    }
  }
  return answers.length > 0 ? answers : [await offline(settings, call)]
}

/** The process that serves the data directory, the one that started last; undefined: none does. */
export async function runningServer({ config }: Settings): Promise<{ pid: number; version: string } | undefined> {
  for (const socket of socketsIn(config.dataDir)) {
    try {
      const { version } = await clientsAt(socket).server.getServerInfo({})
      return { pid: Number(basename(socket, '.sock')), version }
    } catch (error) {
      if (!isNobodyThere(error)) throw failureIn(error)
    }
  }
  return undefined
}

async function offline<T>(settings: Settings, call: (api: ApiClients) => Promise<T>): Promise<T> {
  const log = openLog({ level: 'error', stream: process.stderr, isForPeople: true })
  try {
    // The database is loaded when no server answers.
    const { withOwner } = await import('./offline.ts')
    return await withOwner(settings, owner => call(clientsOf(owner, log)))
  } catch (error) {
    throw failureIn(error)
  }
}

/** The newest first. */
function socketsIn(dataDir: string): string[] {
  const directory = socketDirectory(dataDir)
  try {
    return readdirSync(directory)
      .filter(name => name.endsWith('.sock'))
      .map(name => join(directory, name))
      .map(path => ({ path, at: statSync(path).mtimeMs }))
      .sort((one, other) => other.at - one.at)
      .map(({ path }) => path)
  } catch {
    return [] // no server has run here, or none that may be reached; the database will tell
  }
}
