// The real programs as child processes, watched through their JSON events; whoever starts them here ends them here.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { lastingPort } from './ports.ts'
import type { KeptSocket } from './sockets.ts'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** Where `npm test` has built the programs from these sources (scripts/pack/programs.ts); without it, the sources. */
const PROGRAMS = process.env.TEST_PROGRAMS ?? ROOT
export const SERVER = join(PROGRAMS, 'server/bin/pbt-server.js')
export const CLIENT = join(PROGRAMS, 'client/bin/pbt.js')
/** What both run, for tests that start it without the flags of Node. */
const EXTENSION = process.env.TEST_PROGRAMS === undefined ? 'ts' : 'js'
export const SERVER_MAIN = join(PROGRAMS, `server/src/main.${EXTENSION}`)
export const CLIENT_MAIN = join(PROGRAMS, `client/src/main.${EXTENSION}`)

/** Long enough for a machine that is busy with other tests; only a failure ever waits for it. */
const EVENT_MS = 60_000

interface Initialised {
  readonly directory: string
  readonly token: string
}

/** Whoever ends what was started: a test, or a program that does the same at its end. */
export interface Cleaner {
  after(end: () => unknown): void
}

export type ProgramEvent = Readonly<Record<string, unknown>> & { readonly event: string }

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const VISIT = /^\{"event":"(?:request|connection|flow)"/
/** Visits that a program's events are kept of. */
const MAX_VISITS = 1_000

const running = new Set<ChildProcess>()
/** What ends programs that were started and are no children of this process. */
export const others = new Set<() => void>()

// A run of tests that is ended from outside ends its files with SIGTERM, and nobody else would end their programs.
process.once('SIGTERM', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const end of others) end()
  process.kill(process.pid, 'SIGTERM')
})

/** One program and what it said. */
export class Program {
  readonly child: ChildProcess
  readonly events: ProgramEvent[] = []
  /** What it said to people. */
  said = ''
  /** The newest events of what visitors did, as lines: a busy program says thousands a second. */
  private visits: string[] = []
  stderr = ''
  readonly exited: Promise<Exit>
  private readonly name: string
  private waiting: (() => void)[] = []
  private exit: Exit | undefined

  /** `sockets`: handed over as systemd does, from descriptor 3 on; `descriptors`: how many it may have, if not as many as this one;
   *  `under`: a command that starts the program in its place. */
  constructor(
    file: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
    input?: string,
    sockets: readonly KeptSocket[] = [],
    descriptors?: number,
    under: readonly string[] = [],
  ) {
    this.name = args.filter(argument => !argument.startsWith('-')).join(' ')
    // As users start it: the program beside the file for Node.
    const ours = file === SERVER || file === CLIENT ? file.replace(/\.js$/, '') : file
    const command = [...under, ...(/\.[cm]?[jt]s$/.test(ours) ? [process.execPath] : []), ours, ...args]
    const limited = ['/bin/sh', '-c', `ulimit -n ${descriptors} && exec "$0" "$@"`, ...command]
    const [run = '', ...rest] = descriptors === undefined ? command : limited
    this.child = spawn(run, rest, {
      env: { ...process.env, ...env, ...(sockets.length > 0 ? { LISTEN_FDS: String(sockets.length) } : {}) },
      stdio: ['pipe', 'pipe', 'pipe', ...sockets.map(({ handle }) => handle)],
    })
    const { child } = this
    running.add(child)
    child.once('exit', () => running.delete(child))
    child.stdin?.end(input ?? '')
    this.child.stderr?.on('data', chunk => {
      this.stderr += chunk
      this.wake()
    })
    const lines = createInterface({ input: this.child.stdout ?? process.stdin })
    lines.on('line', line => {
      if (VISIT.test(line)) this.visited(line)
      else if (line.startsWith('{')) this.events.push(JSON.parse(line) as ProgramEvent)
      else this.said += `${line}\n`
      this.wake()
    })
    this.exited = Promise.all([once(this.child, 'close'), once(lines, 'close')]).then(([[code, signal]]) => {
      this.exit = { code, signal }
      this.wake()
      return this.exit
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** The first event with this name after the first `skip` events; rejects when the program ends without it. */
  async event(name: string, skip = 0): Promise<ProgramEvent> {
    return await this.until(
      () => this.events.slice(skip).find(event => event.event === name),
      `an event "${name}" of ${this.name}`,
    )
  }

  /** Waits until `find` finds something in what the program says; `withinMs` for what takes longer than an event. */
  async until<T>(find: () => T | undefined, what: string, withinMs = EVENT_MS): Promise<T> {
    const deadline = AbortSignal.timeout(withinMs)
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (this.exit !== undefined || deadline.aborted) {
        const why =
          this.exit === undefined ? 'did not come' : `cannot come, the program ended (${JSON.stringify(this.exit)})`
        throw new Error(`${what} ${why}\n${JSON.stringify(this.events)}\n${this.stderr}`)
      }
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  /** Ends it with the signal and waits until it has ended. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (this.exit === undefined) this.child.kill(signal)
    return await this.exited
  }

  /** The newest `request`, `connection` and `flow` events, which are not among `events`. */
  get visitEvents(): ProgramEvent[] {
    return this.visits.map(line => JSON.parse(line) as ProgramEvent)
  }

  private visited(line: string): void {
    this.visits.push(line)
    if (this.visits.length > 2 * MAX_VISITS) this.visits = this.visits.slice(-MAX_VISITS)
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

/** A directory for the test, removed after it. */
export function scratch(t: Cleaner): string {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A program that the test leaves to be ended after it. */
export function program(
  t: Cleaner,
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input?: string,
  sockets?: readonly KeptSocket[],
  descriptors?: number,
  under?: readonly string[],
) {
  const started = new Program(file, args, env, input, sockets, descriptors, under)
  t.after(() => started.end('SIGKILL'))
  return started
}

export interface ServerOptions {
  readonly dataDir?: string
  readonly ports?: { readonly https: number; readonly http: number }
  readonly serverArgs?: readonly string[]
  /** Listening sockets that outlive the server; their ports belong into `ports`. */
  readonly sockets?: readonly KeptSocket[]
  /** How many descriptors the server may have. */
  readonly descriptors?: number
  /** A command that starts the server in its place. */
  readonly serverUnder?: readonly string[]
}

export interface RunningServer {
  readonly program: Program
  readonly dataDir: string
  readonly token: string
  readonly https: number
  readonly http: number
  readonly ca: string
}

/** A server with a data directory of its own, ready. */
export async function startServer(t: Cleaner, options: ServerOptions = {}): Promise<RunningServer> {
  const { dataDir, token } = await freshData(t, options.dataDir)
  const ports = options.ports ?? { https: await lastingPort(), http: await lastingPort() }
  return await restartServer(t, { dataDir, token }, { ...options, ports })
}

/** What `init` makes, and no server on it yet. */
export async function freshData(t: Cleaner, dataDir = join(scratch(t), 'data')) {
  initialised ??= initialise()
  const { directory, token } = await initialised
  cpSync(directory, dataDir, { recursive: true })
  return { dataDir, token, ca: join(dataDir, 'dev-ca.pem') }
}

let initialised: Promise<Initialised> | undefined

/** What `init` makes, once for all servers of this process, or of a run of many files: half of a server's start. Each gets a copy. */
async function initialise(): Promise<Initialised> {
  const made = process.env.TEST_INITIALISED
  if (made !== undefined) return { directory: join(made, 'data'), token: readFileSync(join(made, 'token'), 'utf8') }
  const parent = mkdtempSync(join(tmpdir(), 'pbt-test-'))
  process.once('exit', () => rmSync(parent, { recursive: true, force: true }))
  const directory = join(parent, 'data')
  const init = new Program(SERVER, ['init', '--json', '--data-dir', directory], {})
  const { token } = await init.event('initialised')
  await init.exited
  return { directory, token: String(token) }
}

/** A server on a data directory that is there. */
export async function restartServer(
  t: Cleaner,
  { dataDir, token }: { dataDir: string; token: string },
  { ports, serverArgs = [], sockets, descriptors, serverUnder }: ServerOptions = {},
): Promise<RunningServer> {
  const args = [
    ...['start', '--json', '--data-dir', dataDir, '--https-port', String(ports?.https ?? 0)],
    ...['--http-port', String(ports?.http ?? 0), ...serverArgs],
  ]
  const server = program(
    t,
    SERVER,
    args,
    { PBT_SERVER_ACME_DIRECTORY: 'off' },
    undefined,
    sockets,
    descriptors,
    serverUnder,
  )
  const ready = await server.event('ready')
  return { program: server, dataDir, token, https: Number(ready.https), http: Number(ready.http), ca: String(ready.ca) }
}

export interface TunnelOptions {
  readonly domain?: string | undefined
  /** The port of the server as the client sees it: that of a relay, perhaps. */
  readonly linkPort?: number
  readonly args?: readonly string[]
  /** The client's home; the same one is the same machine. */
  readonly home?: string
  /** How many descriptors the client may have. */
  readonly clientDescriptors?: number
  /** A command that starts the client in its place. */
  readonly clientUnder?: readonly string[]
}

/** The environment of a client of this server. */
export function clientEnv(t: Cleaner, server: RunningServer, options: TunnelOptions = {}): NodeJS.ProcessEnv {
  return {
    PBT_HOME: options.home ?? join(scratch(t), 'client'),
    PBT_SERVER: `localhost:${options.linkPort ?? server.https}`,
    PBT_TOKEN: server.token,
    PBT_CA: server.ca,
  }
}

/** A client with these arguments whose first tunnel is online, and the first address of that. */
export async function startClient(
  t: Cleaner,
  server: RunningServer,
  args: readonly string[],
  options: TunnelOptions = {},
): Promise<{ client: Program; url: URL; port: number }> {
  const all = [...args, '--json', ...(options.args ?? [])]
  const env = clientEnv(t, server, options)
  const client = program(t, CLIENT, all, env, undefined, undefined, options.clientDescriptors, options.clientUnder)
  const { urls } = await client.event('online')
  const url = new URL(String((urls as unknown[])[0]))
  return { client, url, port: Number(url.port) }
}

/** A client with these arguments whose first tunnel is online and that speaks to people: `said` has the reason of each failed request. */
export async function startTalkingClient(t: Cleaner, server: RunningServer, args: readonly string[]): Promise<Program> {
  const client = program(t, CLIENT, args, clientEnv(t, server))
  await client.until(() => /online: .*/.exec(client.said) ?? undefined, 'the tunnel')
  return client
}

/** A client with one HTTP tunnel, online. */
export async function startTunnel(
  t: Cleaner,
  server: RunningServer,
  target: number | string,
  options: TunnelOptions = {},
): Promise<Program> {
  const domain = options.domain === undefined ? [] : ['--domain', options.domain]
  const { client } = await startClient(t, server, ['http', String(target), ...domain], options)
  return client
}

/** Server, client and one tunnel named `app`. */
export async function startPbt(t: Cleaner, target: number | string, options: TunnelOptions & ServerOptions = {}) {
  const server = await startServer(t, options)
  const client = await startTunnel(t, server, target, { domain: 'app', ...options })
  return { server, client }
}
