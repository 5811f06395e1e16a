// What the panel knows of the server, and how each message of the event stream changes it. No clock, no network.
import type {
  Address,
  Client,
  Domain,
  Event,
  EventNotice,
  GetServerInfoResponse,
  Rates,
  Refusal,
  Snapshot,
  Token,
  Tunnel,
  WatchResponse,
} from '@pbt/proto/admin/v1'
import { millis } from '../words/time.ts'

/** Events that are kept to be shown, the newest first. */
const EVENTS = 200

/** All that is live. Never changed in place: a new one for each change, parts that did not change are the same. */
export interface Live {
  /** The event it goes with; the stream resumes after it. */
  readonly number: bigint
  readonly tunnels: ReadonlyMap<string, Tunnel>
  readonly clients: ReadonlyMap<string, Client>
  readonly addresses: ReadonlyMap<string, Address>
  readonly domains: ReadonlyMap<string, Domain>
  readonly tokens: readonly Token[]
  readonly refusals: readonly Refusal[]
  readonly server: GetServerInfoResponse | undefined
  readonly events: readonly Event[]
  /** How far the server's clock is ahead of this computer's, milliseconds; in steps of a second. */
  readonly clockOffMs: number
}

/** What is known after a message; undefined before the first snapshot. */
export function after(live: Live | undefined, { message }: WatchResponse, now = Date.now()): Live | undefined {
  if (message.case === 'snapshot') return fromSnapshot(live, message.value)
  if (live === undefined) return undefined
  if (message.case === 'event') return withNotice(live, message.value)
  if (message.case === 'rates') return { ...live, tunnels: withRates(live.tunnels, message.value) }
  if (message.case === 'heartbeat') return withClock(live, millis(message.value.time), now)
  return live
}

function withClock(live: Live, at: number | undefined, now: number): Live {
  const off = at === undefined ? 0 : at - now
  return Math.abs(off - live.clockOffMs) < 1_000 ? live : { ...live, clockOffMs: off }
}

/** All anew; `live`: what was known, for what a snapshot does not tell. */
export function fromSnapshot(live: Live | undefined, snapshot: Snapshot): Live {
  const { number, tunnels, clients, addresses, domains, tokens, refusals, server, events } = snapshot
  return {
    ...{ number, tokens, refusals, server, events, clockOffMs: live?.clockOffMs ?? 0 },
    tunnels: new Map(tunnels.map(each => [each.name, each])),
    clients: new Map(clients.map(each => [each.id, each])),
    addresses: new Map(addresses.map(each => [each.address, each])),
    domains: new Map(domains.map(each => [each.domain, each])),
  }
}

function withNotice(live: Live, notice: EventNotice): Live {
  const { event, gone } = notice
  // A domain and its address have one name, and the one may go without the other.
  const isOfDomain = event?.kind.startsWith('domain.') === true
  return {
    ...live,
    number: event?.number ?? live.number,
    tunnels: merged(live.tunnels, notice.tunnels, each => each.name, []),
    clients: merged(live.clients, notice.clients, each => each.id, gone),
    addresses: merged(live.addresses, notice.addresses, each => each.address, isOfDomain ? [] : gone),
    domains: merged(live.domains, notice.domains, each => each.domain, isOfDomain ? gone : []),
    tokens: notice.tokens.length > 0 ? notice.tokens : live.tokens,
    events: withEvent(live.events, event),
  }
}

/** Those that a snapshot told already are not told twice. */
function withEvent(events: readonly Event[], event: Event | undefined): readonly Event[] {
  if (event === undefined || event.number <= (events[0]?.number ?? -1n)) return events
  return [event, ...events].slice(0, EVENTS)
}

function merged<T>(
  known: ReadonlyMap<string, T>,
  changed: readonly T[],
  keyOf: (each: T) => string,
  gone: readonly string[],
): ReadonlyMap<string, T> {
  const left = gone.filter(key => known.has(key))
  if (changed.length === 0 && left.length === 0) return known
  const all = new Map(known)
  for (const key of left) all.delete(key)
  for (const each of changed) all.set(keyOf(each), each)
  return all
}

function withRates(known: ReadonlyMap<string, Tunnel>, { tunnels }: Rates): ReadonlyMap<string, Tunnel> {
  const all = new Map(known)
  for (const { name, openConnections, counts, bytesInRate, bytesOutRate, recentBytes } of tunnels) {
    const tunnel = all.get(name)
    if (tunnel === undefined) continue
    all.set(name, { ...tunnel, openConnections, counts, bytesInRate, bytesOutRate, recentBytes })
  }
  return all
}
