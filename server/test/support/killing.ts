// Rounds in which programs are killed in the middle of transfers of every kind, and what must hold after each.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BusyTarget, busyTarget } from './busy-target.ts'
import { integrityOf } from './database.ts'
import {
  type Cleaner,
  type Program,
  type RunningServer,
  restartServer,
  scratch,
  startClient,
  startServer,
} from './programs.ts'
import { type Kind, type Outcome, type Size, Traffic } from './traffic.ts'

export const VICTIMS = ['client', 'server', 'client, server', 'server, client'] as const
export type Victims = (typeof VICTIMS)[number]

export interface Round {
  /** From the moment the server listened until every address served again; with the start of a client that was killed. */
  readonly backMs: number
  readonly cut: number
  readonly visits: number
}

/** Long enough to be in the middle of: about 20 s when nothing happens. */
const LONG: Size = { pieces: 200, paceMs: 100 }
const LONG_KINDS: readonly Kind[] = ['down', 'chunked', 'h2down', 'up', 'upchunked', 'chat', 'events', 'tcp']
const SMALL_EVERY_MS = 20
/** A visitor who is cut notices by then: at once when the server dies, with the server's notice of it when the client does. */
const NOTICE_MS = 60_000

export class Killing {
  private readonly t: Cleaner
  private readonly home: string
  private readonly target: BusyTarget
  private server: RunningServer
  private client: Program
  private urls: readonly string[]
  private traffic: Traffic

  private constructor(t: Cleaner, home: string, target: BusyTarget, server: RunningServer) {
    this.t = t
    this.home = home
    this.target = target
    this.server = server
    this.client = server.program
    this.urls = []
    this.traffic = new Traffic(t, { http: 0, https: 0, ca: '', tcp: 0 })
  }

  static async start(t: Cleaner): Promise<Killing> {
    const server = await startServer(t)
    const killing = new Killing(t, join(scratch(t), 'client'), await busyTarget(t), server)
    await killing.startClient()
    killing.urls = await killing.online(0)
    const place = { http: server.http, https: server.https, ca: readFileSync(server.ca, 'utf8') }
    const tcp = Number(new URL(killing.urls.find(url => url.startsWith('tcp:')) ?? '').port)
    killing.traffic = new Traffic(t, { ...place, tcp })
    return killing
  }

  /** Kills in this order, in the middle of everything, starts again what was killed, and judges. Throws what is wrong. */
  async round(victims: Victims): Promise<Round> {
    const { traffic } = this
    const long = LONG_KINDS.map(kind => traffic.visit(kind, LONG))
    const small: Promise<Outcome>[] = []
    const kinds: readonly Kind[] = ['get', 'h2', 'https', 'up']
    const timer = setInterval(() => {
      small.push(traffic.visit(kinds[small.length % kinds.length] ?? 'get', { pieces: 1, paceMs: 0 }))
    }, SMALL_EVERY_MS)
    try {
      await until(() => this.target.open >= LONG_KINDS.length && small.length > 20, 'everything under way')
      const killed = performance.now()
      const eventsBefore = this.client.events.length
      for (const victim of victims.split(', '))
        await (victim === 'client' ? this.client : this.server.program).end('SIGKILL')
      if (victims.includes('server')) this.server = await restartServer(this.t, this.server, { ports: this.server })
      const back = performance.now()
      if (victims.includes('client')) await this.startClient()
      assert.deepEqual(
        await this.online(victims.includes('client') ? 0 : eventsBefore),
        this.urls,
        'the same addresses',
      )
      await this.serving()
      const backMs = performance.now() - back
      clearInterval(timer)
      const outcomes = await this.noticed(Promise.all([...long, ...small]))
      // The target has seen the end of everything as well.
      await until(() => this.target.open === 0, 'the end of everything at the target')
      this.judge(outcomes, killed)
      return { backMs, cut: outcomes.filter(({ state }) => state === 'failed').length, visits: outcomes.length }
    } finally {
      clearInterval(timer)
    }
  }

  private judge(outcomes: readonly Outcome[], killed: number): void {
    for (const { state, kind, id, ended, detail } of outcomes) {
      assert.notEqual(state, 'wrong', `${kind} ${id}: ${detail}`)
      if (state === 'failed') assert.ok(ended >= killed, `${kind} ${id} failed before anything was killed: ${detail}`)
      const came = this.target.uploads.get(String(id))
      if (kind === 'upchunked')
        assert.ok(came === undefined || came === LONG.pieces * 65_536, `upload ${id} came cut as whole`)
    }
    assert.ok(
      outcomes.some(({ kind, state }) => kind === 'down' && state === 'failed'),
      'a download was cut',
    )
    for (const [id, times] of this.target.asked) assert.equal(times, 1, `request ${id} came ${times} times`)
    assert.equal(integrityOf(this.server.dataDir), 'ok')
  }

  /** Every visitor has noticed how it ended. */
  private async noticed<T>(all: Promise<T>): Promise<T> {
    await until(
      () => this.traffic.open.size === 0,
      () => `end of ${[...this.traffic.open.values()]}`,
    )
    return await all
  }

  private async startClient(): Promise<void> {
    const specs = [`http:${this.target.port},domain=app`, `tcp:${this.target.tcpPort}`]
    this.client = (await startClient(this.t, this.server, ['up', ...specs], { home: this.home })).client
  }

  /** The addresses of all tunnels, told after the first `skip` events. */
  private async online(skip: number): Promise<string[]> {
    return await this.client.until(() => {
      const online = this.client.events.slice(skip).filter(({ event }) => event === 'online')
      return online.length < 2 ? undefined : online.flatMap(({ urls }) => urls as string[]).sort()
    }, 'both tunnels online')
  }

  private async serving(): Promise<void> {
    for (const kind of ['get', 'https', 'tcp'] as const) {
      const { state, detail } = await this.traffic.visit(kind, { pieces: 1, paceMs: 0 })
      assert.equal(state, 'whole', `${kind} after the restart: ${detail}`)
    }
  }
}

async function until(holds: () => boolean, what: string | (() => string)): Promise<void> {
  const end = performance.now() + NOTICE_MS
  while (!holds()) {
    if (performance.now() > end)
      throw new Error(`no ${typeof what === 'string' ? what : what()} within ${NOTICE_MS / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
