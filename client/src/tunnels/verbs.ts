// What may be asked of a process that holds tunnels, whoever keeps its list: a file, or nobody.
import { Failure } from '../failure.ts'
import type { Request, Verbs } from './control.ts'
import type { ClientEvent, ProcessSnapshot } from './events.ts'
import { specIn } from './spec-reader.ts'
import { nameOf, type TunnelSpec } from './specs.ts'
import type { Entry, Item, TunnelList } from './tunnel-list.ts'

/** How long a tunnel that was opened is followed until it is online; the server answers in that time, or is not there. */
const FOLLOW_MS = 15_000

/** A change of the list. */
export type Change =
  | { readonly kind: 'add'; readonly entry: Entry }
  | { readonly kind: 'replace'; readonly at: number; readonly entry: Entry }
  | { readonly kind: 'remove'; readonly at: number }

/** Where the list is kept. */
export interface Store {
  /** Brings the list to what is kept now. Throws Failure when that has mistakes. */
  refresh(): void
  /** Keeps the change and tells what is wanted then. Throws Failure when it cannot. */
  keep(change: Change): readonly Entry[]
}

/** Of a process. */
export interface VerbsOptions {
  readonly list: TunnelList
  readonly store: Store
  readonly snapshot: () => ProcessSnapshot
  /** Tells every event from now on, until what it returns is called. */
  readonly follow: (onEvent: (event: object) => void) => () => void
  /** A person has asked for a tunnel just now. */
  readonly onAsked: () => void
  /** Ends the process in order. */
  readonly stop: () => void
}

/** Keeps it in memory: the list of a command. */
export function memoryStore(list: TunnelList): Store {
  return {
    refresh: () => {},
    keep: change => changed(list.items, change),
  }
}

/** The entries after the change. */
export function changed(entries: readonly Entry[], change: Change): readonly Entry[] {
  if (change.kind === 'add') return [...entries, change.entry]
  if (change.kind === 'remove') return entries.toSpliced(change.at, 1)
  return entries.with(change.at, change.entry)
}

/** The verbs that change the list, and those that tell. */
export function verbsOf(options: VerbsOptions): Verbs {
  const steering = new Steering(options)
  const { snapshot, follow, stop } = options
  return {
    status: (_request, tell) => tell({ event: 'process', ...snapshot() }),
    logs: async (_request, tell, gone) => {
      const stopFollowing = follow(tell)
      await new Promise<void>(resolve => gone.addEventListener('abort', () => resolve(), { once: true }))
      stopFollowing()
    },
    add: (request, tell, gone) => steering.put(request, tell, gone),
    change: (request, tell, gone) => steering.put(request, tell, gone),
    start: (request, tell, gone) => steering.start(request, tell, gone),
    stop: (request, tell) => (request.tunnel === undefined ? stop() : steering.stop(request, tell)),
    remove: (request, tell) => steering.remove(request, tell),
  }
}

type Tell = (event: object) => void

/** Changes one tunnel of the list, and tells what comes of it. */
class Steering {
  private readonly options: VerbsOptions

  constructor(options: VerbsOptions) {
    this.options = options
  }

  /** A tunnel that is new, or takes the place of another. */
  async put(request: Request, tell: Tell, gone: AbortSignal): Promise<void> {
    const { list, store } = this.options
    const spec = specIn(request.tunnel)
    store.refresh()
    const named = request.request === 'change' ? this.find(request.name).at : placeFor(list, spec)
    const entry = { spec, isStopped: false }
    if (named >= 0) await this.open({ kind: 'replace', at: named, entry }, named, tell, gone)
    else await this.open({ kind: 'add', entry }, list.items.length, tell, gone)
  }

  async start(request: Request, tell: Tell, gone: AbortSignal): Promise<void> {
    const { at, item } = this.find(request.tunnel)
    await this.open({ kind: 'replace', at, entry: { spec: item.spec, isStopped: false } }, at, tell, gone)
  }

  async stop(request: Request, tell: Tell): Promise<void> {
    const { at, item, name } = this.find(request.tunnel)
    const { spec } = item
    // So that it is still known by that name when it does not run.
    const options = nameOf(spec) === '' && name !== '' ? { ...spec.options, name } : spec.options
    await this.close({ kind: 'replace', at, entry: { spec: { ...spec, options }, isStopped: true } }, name, tell)
    tell({ event: 'stopped', tunnel: name })
  }

  async remove(request: Request, tell: Tell): Promise<void> {
    const { at, item, name } = this.find(request.tunnel)
    await this.close({ kind: 'remove', at }, name, tell)
    tell({ event: 'removed', number: item.number, tunnel: name })
  }

  /** Throws Failure `usage` when there is none of this name. */
  private find(name: unknown): { at: number; item: Item; name: string } {
    const { list, store } = this.options
    store.refresh()
    const at = list.find(String(name))
    const item = list.items[at]
    if (item !== undefined) return { at, item, name: list.nameAt(item) }
    const known = list.items.map(each => list.nameAt(each)).filter(Boolean)
    throw new Failure('usage', `there is no tunnel "${String(name)}"`, {
      cure: known.length === 0 ? 'there are no tunnels here yet' : `give one of ${known.join(', ')}`,
    })
  }

  /** Follows the tunnel at this place until it is online, or it is said why not. */
  private async open(change: Change, at: number, tell: Tell, gone: AbortSignal): Promise<void> {
    const { list, store, snapshot, follow, onAsked } = this.options
    const over = Promise.withResolvers<void>()
    let number: number | undefined
    const stopFollowing = follow(told => {
      const event = told as ClientEvent
      const isIts = 'number' in event && event.number === number
      if (isIts || event.event === 'reconnecting') tell(event)
      if (isIts && ['online', 'waiting', 'error', 'closed'].includes(event.event)) over.resolve()
      if (event.event === 'reconnecting') over.resolve()
    })
    const timer = setTimeout(over.resolve, FOLLOW_MS)
    gone.addEventListener('abort', () => over.resolve(), { once: true })
    try {
      list.set(store.keep(change), at)
      onAsked()
      const item = list.items[at]
      number = item?.number
      if (item !== undefined) tell({ event: 'kept', tunnel: list.nameAt(item), target: item.spec.target, number })
      const { state, reason } = snapshot()
      // One that has just begun is about to be, or says why it is not.
      if (state === 'online' || state === 'connecting') await over.promise
      else tell({ event: 'offline', reason })
    } finally {
      clearTimeout(timer)
      stopFollowing()
    }
  }

  /** Resolves when what was under way is over. */
  private async close(change: Change, tunnel: string, tell: Tell): Promise<void> {
    const { list, store } = this.options
    for (const { open, limitMs, over } of list.set(store.keep(change)).values()) {
      if (open > 0) tell({ event: 'draining', tunnel, open, limitMs })
      await over
    }
  }
}

/** A tunnel is its name: one that is added under a name that is there takes its place. -1: it is new. */
function placeFor(list: TunnelList, spec: TunnelSpec): number {
  const name = nameOf(spec)
  if (name !== '') return list.find(name)
  return list.items.findIndex(
    item => item.spec.kind === spec.kind && item.spec.target === spec.target && nameOf(item.spec) === '',
  )
}
