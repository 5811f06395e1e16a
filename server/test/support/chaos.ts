// Mixed traffic over a link that is cut and swallowed while programs are killed, and the book that has to balance at the end.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BusyTarget, busyTarget } from './busy-target.ts'
import { integrityOf } from './database.ts'
import { startJunk } from './junk.ts'
import { descriptorsOf } from './process.ts'
import {
  type Cleaner,
  type Program,
  type RunningServer,
  restartServer,
  scratch,
  startClient,
  startServer,
} from './programs.ts'
import { Relay } from './relay.ts'
import { residentBytes } from './streams.ts'
import { KINDS, type Kind, type Outcome, Traffic } from './traffic.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly perSecond: number
  readonly say: (what: string) => void
}

export interface ChaosResult {
  readonly rows: readonly {
    readonly kind: Kind
    readonly visits: number
    readonly whole: number
    readonly cut: number
  }[]
  /** What was done, how often. */
  readonly events: ReadonlyMap<string, number>
  /** Broken promises, each in words. */
  readonly faults: readonly string[]
  /** Growth of server and client since they were fresh, after everything has ended. */
  readonly growth: readonly { readonly program: string; readonly bytes: number; readonly descriptors: number }[]
}

/** How often each kind is chosen. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  ...{ get: 40, https: 5, h2: 25, down: 4, chunked: 4, h2down: 4, up: 5, upchunked: 5, chat: 3, events: 2, tcp: 3 },
}
const DEEDS = ['cut', 'cut', 'black hole', 'black hole', 'kill client', 'kill server', 'kill both'] as const
type Deed = (typeof DEEDS)[number]

/** Visitors at once; more are not sent, so that a machine that is too slow for the rate is not mistaken for a fault. */
const MAX_OPEN = 500

/** Between deeds, so that what follows each is seen. */
const REST_MS = [1_000, 4_000] as const
/** Black holes are shorter than the grace time of 30 s, so that they cost nobody anything. */
const HOLE_MS = 20_000
/** What takes longer to come back is told with what the client said meanwhile. */
const LONG_MS = 3_000
/** Nobody is killed in the last part of the run: what these processes hold at its end is looked at. */
const CALM_PART = 0.3
/** Everything has ended, and idle connections are given up. */
const SETTLE_MS = 90_000
/** After its first visitor everything of a process runs, its access log too. */
const BEGUN_MS = 3_000
/** What a process may hold more than when it was fresh: a heap that has grown to its load (96 MiB seen), pools, buffers. */
export const ALLOWED_BYTES = 160 * 1024 * 1024
export const ALLOWED_DESCRIPTORS = 2

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

export async function runChaos(t: Cleaner, options: ChaosOptions): Promise<ChaosResult> {
  const chaos = new Chaos(t, options, await busyTarget(t), await startServer(t))
  return await chaos.run()
}

class Chaos {
  private readonly t: Cleaner
  private readonly options: ChaosOptions
  private readonly random: () => number
  private readonly target: BusyTarget
  private readonly home: string
  private readonly relay = new Relay()
  private readonly events = new Map<string, number>()
  /** From a kill until every address served again. */
  private readonly windows: { from: number; to: number }[] = []
  private server: RunningServer
  private client: Program

  constructor(t: Cleaner, options: ChaosOptions, target: BusyTarget, server: RunningServer) {
    this.t = t
    this.options = options
    this.random = randomOf(options.seed)
    this.target = target
    this.server = server
    this.client = server.program
    this.home = join(scratch(t), 'client')
  }

  async run(): Promise<ChaosResult> {
    const { t, options, server } = this
    await this.relay.start(t, server.https)
    const tcp = Number(new URL(String(await this.startClient())).port)
    const place = { http: server.http, https: server.https, ca: readFileSync(server.ca, 'utf8'), tcp }
    const traffic = new Traffic(t, place)
    await traffic.visit('get', { pieces: 1, paceMs: 0 })
    await pause(BEGUN_MS)
    const fresh = this.held()
    const stopJunk = startJunk(t, place, randomOf(options.seed + 1))
    const end = performance.now() + options.seconds * 1_000
    const load = this.send(traffic, end)
    const calmAt = end - options.seconds * 1_000 * CALM_PART
    for (;;) {
      await pause(this.between(...REST_MS))
      const left = end - performance.now()
      if (left < 5_000) break
      const deeds = DEEDS.filter(deed => performance.now() < calmAt || !deed.startsWith('kill'))
      await this.do(deeds[Math.floor(this.random() * deeds.length)] ?? 'cut', traffic, left)
    }
    await load
    stopJunk()
    const isOver = () => traffic.open.size === 0 && this.target.open === 0
    await until(isOver, SETTLE_MS)
    const faults = this.faults(traffic, isOver())
    traffic.close()
    const growth = await this.growth(fresh)
    for (const { program, bytes, descriptors } of growth) {
      if (bytes > ALLOWED_BYTES)
        faults.push(`the ${program} holds ${Math.round(bytes / 1e6)} MB more than when it was fresh`)
      if (descriptors > ALLOWED_DESCRIPTORS) faults.push(`the ${program} holds ${descriptors} descriptors more`)
    }
    return { rows: rowsOf(traffic.outcomes), events: this.events, faults, growth }
  }

  private async send(traffic: Traffic, end: number): Promise<void> {
    const { perSecond, seed } = this.options
    const random = randomOf(seed + 2)
    const began = performance.now()
    for (let sent = 0; performance.now() < end; ) {
      for (const due = ((performance.now() - began) / 1_000) * perSecond; sent < due; sent++) {
        if (traffic.open.size >= MAX_OPEN) continue
        const size = { pieces: 1 + Math.floor(random() * 8), paceMs: Math.floor(random() * 100) }
        void traffic.visit(kindOf(random()), size)
      }
      await pause(5)
    }
  }

  private async do(deed: Deed, traffic: Traffic, leftMs: number): Promise<void> {
    this.events.set(deed, (this.events.get(deed) ?? 0) + 1)
    const from = performance.now()
    const steps: string[] = []
    const step = (what: string) => steps.push(`${what} ${Math.round(performance.now() - from)} ms`)
    switch (deed) {
      case 'cut':
        this.relay.cut()
        break
      case 'black hole':
        this.relay.blackHole()
        await pause(Math.min(leftMs / 2, this.between(500, HOLE_MS)))
        this.relay.heal()
        // Else the next hole may come before the client has found its way back, and both add up to more than the grace time.
        await this.served(traffic, deed)
        break
      default: {
        const window = { from, to: Number.POSITIVE_INFINITY }
        this.windows.push(window)
        const isServer = deed !== 'kill client'
        const before = this.client.events.length
        if (isServer) await this.server.program.end('SIGKILL')
        if (deed !== 'kill server') await this.client.end('SIGKILL')
        if (isServer) this.server = await restartServer(this.t, this.server, { ports: this.server })
        if (deed !== 'kill server') await this.startClient()
        else await this.online(before)
        step('online')
        await this.served(traffic, deed)
        step('served')
        window.to = performance.now()
      }
    }
    const tookMs = Math.round(performance.now() - from)
    this.options.say(`${deed}: ${tookMs} ms, ${traffic.open.size} visitors under way`)
    if (steps.length > 0 && tookMs > LONG_MS)
      this.options.say(`  ${steps.join(', ')}; ${JSON.stringify(this.client.events.slice(-10))}`)
  }

  private async served(traffic: Traffic, deed: Deed): Promise<void> {
    for (const kind of ['get', 'tcp'] as const) {
      const { state, detail } = await traffic.visit(kind, { pieces: 1, paceMs: 0 })
      if (state !== 'whole') throw new Error(`${kind} after "${deed}": ${detail}`)
    }
  }

  /** The address of the TCP tunnel. */
  private async startClient(): Promise<unknown> {
    const specs = [`http:${this.target.port},domain=app`, `tcp:${this.target.tcpPort}`]
    const options = { home: this.home, linkPort: this.relay.port }
    this.client = (await startClient(this.t, this.server, ['up', ...specs], options)).client
    return await this.online(0)
  }

  private async online(skip: number): Promise<unknown> {
    return await this.client.until(() => {
      const online = this.client.events.slice(skip).filter(({ event }) => event === 'online')
      const tcp = online.find(({ kind }) => kind === 'tcp')?.urls as string[] | undefined
      return online.length < 2 ? undefined : tcp?.[0]
    }, 'both tunnels online')
  }

  private between(least: number, most: number): number {
    return least + this.random() * (most - least)
  }

  private faults(traffic: Traffic, isOver: boolean): string[] {
    const faults: string[] = []
    if (!isOver) faults.push(`${traffic.open.size} visitors and ${this.target.open} at the target did not end`)
    for (const { kind, id, size, began, ended, state, detail } of traffic.outcomes) {
      const inKill = this.windows.some(({ from, to }) => began <= to && ended >= from)
      if (state === 'wrong') faults.push(`mixed up or cut as whole: ${kind} ${id}: ${detail}`)
      if (state === 'failed' && !inKill)
        faults.push(`lost: ${kind} ${id} after ${Math.round(ended - began)} ms: ${detail}`)
      const came = this.target.uploads.get(String(id))
      if (came !== undefined && came !== size.pieces * 65_536)
        faults.push(`upload ${id} came cut as whole: ${came} bytes`)
      if (state === 'whole' && kind !== 'tcp' && !this.target.asked.has(String(id)))
        faults.push(`${id} was never asked`)
    }
    for (const [id, times] of this.target.asked) if (times > 1) faults.push(`repeated: ${id} came ${times} times`)
    const integrity = integrityOf(this.server.dataDir)
    if (integrity !== 'ok') faults.push(`database: ${integrity}`)
    return faults
  }

  private held() {
    return [this.server.program, this.client].map(({ pid }) => ({
      bytes: residentBytes(pid),
      descriptors: descriptorsOf(pid),
    }))
  }

  /** Once it is within what is allowed, or has had its time. */
  private async growth(fresh: ReturnType<Chaos['held']>): Promise<ChaosResult['growth']> {
    const grown = () =>
      this.held().map(({ bytes, descriptors }, index) => ({
        program: index === 0 ? 'server' : 'client',
        bytes: bytes - (fresh[index]?.bytes ?? 0),
        descriptors: descriptors - (fresh[index]?.descriptors ?? 0),
      }))
    await until(() => grown().every(({ descriptors }) => descriptors <= 0), 20_000)
    return grown()
  }
}

function rowsOf(outcomes: readonly Outcome[]): ChaosResult['rows'] {
  return KINDS.map(kind => {
    const own = outcomes.filter(outcome => outcome.kind === kind)
    const count = (state: Outcome['state']) => own.filter(outcome => outcome.state === state).length
    return { kind, visits: own.length, whole: count('whole'), cut: count('failed') }
  })
}

function kindOf(random: number): Kind {
  let left = random * KINDS.reduce((sum, kind) => sum + WEIGHTS[kind], 0)
  for (const kind of KINDS) {
    left -= WEIGHTS[kind]
    if (left < 0) return kind
  }
  return 'get'
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs
  while (!holds() && performance.now() < end) await pause(50)
}
