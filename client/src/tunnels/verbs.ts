// What may be asked of a process that holds tunnels, whoever keeps its list: a file, or nobody.
import { Failure } from '../failure.ts'
import type { Request, Verb, Verbs } from './control.ts'
import type { ClientEvent, ProcessSnapshot } from './events.ts'
import { specIn } from './spec-reader.ts'
import { nameOf, type TunnelSpec } from './specs.ts'
import type { Draining, Entry, TunnelList } from './tunnel-list.ts'

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
  const { list, store, snapshot, follow, stop, onAsked } = options
  /** Puts the change into effect: the place of what a person asks for is `asked`. */
  const apply = (change: Change, asked = -1): Map<number, Draining> => list.set(store.keep(change), asked)
  const indexOf = (request: Request): number => {
    store.refresh()
    const index = list.find(String(request.tunnel))
    if (index >= 0) return index
    const known = list.items.map(item => list.nameAt(item)).filter(Boolean)
    throw new Failure('usage', `there is no tunnel "${String(request.tunnel)}"`, {
      cure: known.length === 0 ? 'there are no tunnels here yet' : `give one of ${known.join(', ')}`,
    })
  }
  const put: Verb = async (request, tell, gone) => {
    const spec = specIn(request.tunnel)
    store.refresh()
    const named = request.request === 'change' ? indexOf({ tunnel: request.name }) : placeFor(list, spec)
    const entry = { spec, isStopped: false }
    const at = named < 0 ? list.items.length : named
    const change: Change = named < 0 ? { kind: 'add', entry } : { kind: 'replace', at, entry }
    await opening(() => apply(change, at), at, tell, gone)
  }
  const opening = async (open: () => void, at: number, tell: (event: object) => void, gone: AbortSignal) => {
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
      open()
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
  const ending = async (drained: Map<number, Draining>, tunnel: string, tell: (event: object) => void) => {
    for (const { open, limitMs, over } of drained.values()) {
      if (open > 0) tell({ event: 'draining', tunnel, open, limitMs })
      await over
    }
  }
  return {
    status: (_request, tell) => tell({ event: 'process', ...snapshot() }),
    logs: async (_request, tell, gone) => {
      const stopFollowing = follow(tell)
      await new Promise<void>(resolve => gone.addEventListener('abort', () => resolve(), { once: true }))
      stopFollowing()
    },
    add: put,
    change: put,
    start: async (request, tell, gone) => {
      const at = indexOf(request)
      const item = list.items[at]
      if (item === undefined) return
      await opening(
        () => apply({ kind: 'replace', at, entry: { spec: item.spec, isStopped: false } }, at),
        at,
        tell,
        gone,
      )
    },
    stop: async (request, tell) => {
      if (request.tunnel === undefined) {
        stop()
        return
      }
      const at = indexOf(request)
      const item = list.items[at]
      if (item === undefined) return
      const tunnel = list.nameAt(item)
      // So that it is still known by that name when it does not run.
      const options =
        nameOf(item.spec) === '' && tunnel !== '' ? { ...item.spec.options, name: tunnel } : item.spec.options
      const entry = { spec: { ...item.spec, options }, isStopped: true }
      await ending(apply({ kind: 'replace', at, entry }), tunnel, tell)
      tell({ event: 'stopped', tunnel })
    },
    remove: async (request, tell) => {
      const at = indexOf(request)
      const item = list.items[at]
      if (item === undefined) return
      const tunnel = list.nameAt(item)
      await ending(apply({ kind: 'remove', at }), tunnel, tell)
      tell({ event: 'removed', number: item.number, tunnel })
    },
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
