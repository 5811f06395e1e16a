// A process that holds tunnels: its list, the agent that keeps the session, and what it answers on its control socket.
import { hostname } from 'node:os'
import { systemClock } from '@pbt/proto'
import type { Settings } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { machineId, nextGeneration, readStored, writeStored } from '../config/stored.ts'
import { type ExitCode, failureOf } from '../failure.ts'
import { NetworkReader } from '../process/network.ts'
import { AGENT } from '../process/version.ts'
import { dial } from '../session/dial.ts'
import { lookOutside } from '../session/look-outside.ts'
import { Lookup } from '../session/lookup.ts'
import type { TunnelPlan } from '../session/session.ts'
import { Agent } from './agent.ts'
import { serveControl, type Verbs } from './control.ts'
import type { ClientEvent, ProcessSnapshot, Running, TunnelSnapshot } from './events.ts'
import { clientIdOf, type Identity, type Purpose } from './identity.ts'
import { readListening } from './listening.ts'
import { NetworkWatch } from './network-watch.ts'
import { Observed } from './observed.ts'
import { PlanMaker, type VisitEvents } from './plan-maker.ts'
import { recordOf } from './spec-reader.ts'
import { type Entry, type Item, TunnelList } from './tunnel-list.ts'
import { memoryStore, type Store, verbsOf } from './verbs.ts'

/** Who is told of what happens, besides those who ask over the socket. */
export interface HolderEvents extends Omit<VisitEvents, 'targetSeen'> {
  readonly event: (event: ClientEvent) => void
  /** Words that belong to no event. */
  readonly say: (text: string) => void
}

/** What makes one process another than the next. */
export interface HolderOptions {
  readonly home: string
  /** Undefined while none can be read: then `begin` brings them. */
  readonly settings: Settings | undefined
  /** Of the tunnels to begin with. */
  readonly purpose: (tunnels: readonly TunnelPlan[]) => Purpose
  readonly isDaemon: boolean
  /** Tunnels that the owner ends on the server are kept, and the process stays when none is left. */
  readonly keepsEnded: boolean
  readonly events: HolderEvents
  /** Where the list is kept; without it, nowhere. */
  readonly store?: (list: TunnelList) => Store
  readonly faults?: () => readonly string[]
  /** Hints in the spelling of the command, which the server and others that give them do not know. */
  readonly spelt?: (hint: string) => string
  /** A person has asked for a tunnel just now. */
  readonly onAsked?: () => void
  /** Ends the process in order. */
  readonly stop: () => void
}

const NO_TRAFFIC = { open: 0, roundTripMs: 0 }
const NOTHING_YET = new Map<number, never>()

/** `prepare` once, then one agent after the other: `begin`, and again after that has finished. */
export class Holder {
  readonly list: TunnelList
  private readonly options: HolderOptions
  private observed: Observed | undefined
  private prepared: readonly TunnelPlan[] | undefined
  private purpose: Purpose = { kind: 'daemon' }
  private readonly followers = new Set<(event: object) => void>()
  private readonly maker: PlanMaker
  private settings: Settings | undefined
  private token = ''
  private agent: Agent | undefined
  private stopAnswering = () => {}
  private readonly lookup = new Lookup(systemClock)

  constructor(options: HolderOptions) {
    this.options = options
    this.settings = options.settings
    this.maker = new PlanMaker({
      opened: (number, kind, visitor) => options.events.opened(number, kind, visitor),
      over: (number, record) => {
        this.observed?.request(number)
        options.events.over(number, record)
      },
      targetSeen: (number, message) => this.agent?.targetSeen(number, message),
    })
    this.list = new TunnelList({
      clock: systemClock,
      make: makePlan => this.maker.make(makePlan),
      agent: () => this.agent,
      nameOf: number => this.observed?.nameOf(number) ?? '',
      onGone: number => this.tell({ event: 'removed', number, tunnel: this.observed?.nameOf(number) ?? '' }),
    })
  }

  /** The tunnels to begin with. Throws Failure `usage` when one cannot be. Once. */
  prepare(entries: readonly Entry[]): Running {
    this.list.set(entries)
    this.prepared = this.list.plansForNext()
    this.purpose = this.options.purpose(this.prepared)
    const running: Running = {
      server: this.server,
      tunnels: this.prepared,
      traffic: () => this.agent?.carried.traffic ?? NO_TRAFFIC,
      byTunnel: () => this.agent?.carried.byTunnel() ?? NOTHING_YET,
      openOf: (tunnel, most) => this.agent?.carried.openOf(tunnel, most) ?? [],
    }
    this.observed = new Observed(systemClock, running)
    return running
  }

  /** What the process answers on its socket; `verbs`: more of them. Tunnels do not depend on it: told when it cannot be. */
  answer(verbs: Verbs = {}): void {
    const { list, options } = this
    const store = options.store?.(list) ?? memoryStore(list)
    const follow = (onEvent: (event: object) => void) => {
      this.followers.add(onEvent)
      return () => this.followers.delete(onEvent)
    }
    const { stop, onAsked = () => {} } = options
    const own = verbsOf({ list, store, follow, snapshot: () => this.snapshot(), stop, onAsked })
    try {
      this.stopAnswering = serveControl(options.home, { ...own, ...verbs })
    } catch (error) {
      options.events.say(`pbt: "pbt status" will not show these tunnels: ${failureOf(error).message}`)
    }
  }

  /** A session with the tunnels of the list; resolves when it is over for good. */
  async begin(isAskedByOwner: boolean, settings: Settings): Promise<ExitCode> {
    this.settings = settings
    this.token = settings.token
    const tunnels = this.prepared ?? this.newPlans()
    this.prepared = undefined
    const { options } = this
    const agent = new Agent({
      clock: systemClock,
      random: Math.random,
      server: formatServer(settings.server),
      identity: identityOf(settings.home, this.purpose),
      tunnels,
      dial: (hello, events) =>
        dial({ ...settings, token: this.token, lookup: this.lookup, clock: systemClock }, hello, events),
      onLook: look => lookOutside(settings.server, look),
      onEvent: event => this.tell(event),
      isAskedByOwner,
      keepsEnded: options.keepsEnded,
      readListening,
      onNewToken: token => {
        this.token = token
        return keepToken(settings, token, options.events.say)
      },
    })
    this.agent = agent
    const onChange = () => agent.networkChanged()
    const network = new NetworkReader()
    const watch = new NetworkWatch({ clock: systemClock, wallTime: Date.now, network: () => network.read(), onChange })
    agent.start()
    const exitCode = await agent.finished
    watch.end()
    network.close()
    this.list.end()
    this.agent = undefined
    return exitCode
  }

  private newPlans(): readonly TunnelPlan[] {
    for (const item of this.list.items) {
      const { number } = item
      if (number !== undefined) this.tell({ event: 'removed', number, tunnel: this.list.nameAt(item) })
    }
    const plans = this.list.plansForNext()
    for (const { number, kind, target, allow } of plans) this.tell({ event: 'added', number, kind, target, allow })
    return plans
  }

  /** The stored token is another one: the next link uses it. */
  useToken(token: string): void {
    this.token = token
  }

  /** As `Agent.stop`; nothing before `begin`. */
  stop(): void {
    this.agent?.stop()
  }

  /** The process ends. */
  end(): void {
    this.stopAnswering()
    this.list.end()
  }

  snapshot(): ProcessSnapshot {
    const { options, list, observed } = this
    if (observed === undefined) throw new Error('not prepared')
    this.agent?.freshenTargets()
    const stopped = list.items.filter(({ number }) => number === undefined)
    const snapshot = observed.snapshot()
    // Of one that was refused the server has told no name.
    const names = new Map(list.items.map(item => [item.number, list.nameAt(item)]))
    const running = snapshot.tunnels.map(each => ({ ...each, name: each.name || (names.get(each.number) ?? '') }))
    return {
      ...snapshot,
      server: this.server,
      tunnels: [...running, ...stopped.map(item => stoppedSnapshot(item, list.nameAt(item)))],
      isDaemon: options.isDaemon,
      faults: options.faults?.() ?? [],
    }
  }

  private get server(): string {
    return this.settings === undefined ? '' : formatServer(this.settings.server)
  }

  /** Tells what no agent does, as if one did. */
  tell(told: ClientEvent): void {
    const { spelt } = this.options
    const event = spelt !== undefined && 'cure' in told ? { ...told, cure: spelt(told.cure) } : told
    this.observed?.event(event)
    this.options.events.event(event)
    for (const follower of this.followers) follower(event)
  }
}

function stoppedSnapshot({ spec, isStopped }: Item, name: string): TunnelSnapshot {
  const { allow } = recordOf(spec)
  const blocks = Array.isArray(allow) ? allow.map(String) : []
  return {
    ...{ number: 0, name, kind: spec.kind, target: spec.target, allow: blocks, urls: [], waiting: [] },
    ...{ allowlists: blocks.length === 0 ? [] : [{ blocks, more: 0 }], fault: '', cure: '', isKilled: false },
    ...{ targetFault: '', isStopped, requests: 0, open: 0, bytesIn: 0, bytesOut: 0 },
  }
}

/** Throws Failure `usage` when this machine has no name and none can be made. */
function identityOf(home: string, purpose: Purpose): Identity {
  const id = machineId(home)
  const clientId = clientIdOf(id, purpose)
  return { agent: AGENT, machineId: id, clientId, generation: nextGeneration(home, Date.now()), label: hostname() }
}

/**
 * Called by the multiplexer, so it must not throw: the session goes on with the new token in any case. Tells why a restart would come
 * without it, '' when it is stored.
 */
function keepToken({ home, server, isTokenStored }: Settings, token: string, say: (text: string) => void): string {
  if (!isTokenStored) {
    say('pbt: the server has a new token; replace the one in PBT_TOKEN or PBT_TOKEN_FILE')
    return 'it is in PBT_TOKEN or PBT_TOKEN_FILE there'
  }
  try {
    const stored = readStored(home)
    // Another server may have been stored meanwhile; its token stays.
    if (stored?.server !== formatServer(server)) return 'another server is stored there'
    writeStored(home, { ...stored, token })
    return ''
  } catch (error) {
    const { message } = failureOf(error)
    say(`pbt: the server's new token could not be stored: ${message}`)
    return message
  }
}
