// Every figure that an operator can ask for, once: name, unit, meaning, and where it is read. docs/metrics.md comes from here.
import type { AccessFigures } from './batches.ts'
import type { Tally, TallyField } from './tally.ts'

/** What the server shows of itself when it is asked; nothing is counted for it on the way. */
export interface Seen {
  readonly tallies: ReadonlyMap<string, Tally>
  readonly access: AccessFigures
  readonly waitingRecords: () => number
  readonly linesDropped: () => number
  readonly links: () => {
    readonly sessions: number
    readonly tunnels: number
    readonly channels: number
    readonly bytesSent: number
    readonly bytesReceived: number
    readonly unackedBytes: number
    readonly queuedBytes: number
    readonly datagramsDropped: number
    readonly creditStalls: number
    /** The longest of all sessions. */
    readonly roundTripMs: number
  }
  /** When the certificates that are served end; Unix time in ms. */
  readonly certificates: () => readonly { readonly name: string; readonly at: number }[]
  readonly connections: () => { readonly open: number; readonly refused: number }
  /** Of the thread that carries traffic, since the last look: milliseconds. */
  readonly loopDelay: () => { readonly p99Ms: number; readonly maxMs: number }
}

/** Reports one value; each combination of attributes is a time series of its own. */
export type Observe = (value: number, attributes?: Readonly<Record<string, string>>) => void

/** One figure, read only when it is exported. */
export interface Metric {
  readonly name: string
  /** A counter only grows, since the server started. */
  readonly kind: 'counter' | 'gauge'
  /** As UCUM has it. */
  readonly unit: string
  readonly doc: string
  readonly read: (seen: Seen, observe: Observe) => void
}

const DAY_MS = 24 * 3_600_000

const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const

/** The name of the one histogram; its classes are those of the access log. */
export const DURATION_METRIC = {
  name: 'pbt.request.duration',
  unit: 'ms',
  doc: 'from the request head to the end of the response, for requests that reached a client',
} as const

/** All figures but DURATION_METRIC. */
export const METRICS: readonly Metric[] = [
  byTunnel('pbt.requests', '{request}', 'finished requests that reached a client', 'requests'),
  {
    name: 'pbt.responses',
    kind: 'counter',
    unit: '{response}',
    doc: "responses by tunnel and status class, including the edge's own and those of upgrades",
    read: ({ tallies }, observe) => {
      for (const [tunnel, tally] of tallies) {
        for (const status of STATUS_CLASSES) observe(tally[`status${status}`], { tunnel, status })
      }
    },
  },
  byTunnel('pbt.upgrades', '{connection}', 'finished WebSockets and other upgrades', 'upgrades'),
  byTunnel('pbt.tcp.connections', '{connection}', 'finished TCP connections', 'connections'),
  byTunnel('pbt.udp.flows', '{flow}', 'finished UDP flows', 'flows'),
  byTunnel(
    'pbt.udp.dropped',
    '{datagram}',
    'datagrams dropped by the edge: limits, replies beyond the reply factor, a slow link; without a tunnel: no tunnel has the port',
    'datagramsDropped',
  ),
  byTunnel('pbt.udp.evicted', '{flow}', 'UDP flows that were ended to make room for newer ones', 'flowsEvicted'),
  byTunnel(
    'pbt.refused',
    '{request}',
    'visitors refused by the edge, over UDP each datagram; without a tunnel: unknown and offline names',
    'refused',
  ),
  byTunnel(
    'pbt.cookies.stripped',
    '{cookie}',
    'cookies for the base domain or above it that isolate-cookies removed from responses',
    'cookiesStripped',
  ),
  byTunnel(
    'pbt.broken',
    '{request}',
    'requests, connections and flows that ended before they were complete, without those with an answer of class 5xx',
    'broken',
  ),
  byTunnel(
    'pbt.visitor.bytes.in',
    'By',
    'bytes of bodies and payload from visitors; a few seconds late for open connections',
    'bytesIn',
  ),
  byTunnel(
    'pbt.visitor.bytes.out',
    'By',
    'bytes of bodies and payload to visitors; a few seconds late for open connections',
    'bytesOut',
  ),
  one(
    'pbt.connections',
    'gauge',
    '{connection}',
    'open connections of visitors and links',
    seen => seen.connections().open,
  ),
  one(
    'pbt.connections.refused',
    'counter',
    '{connection}',
    'connections over a limit of the edge',
    seen => seen.connections().refused,
  ),
  one(
    'pbt.sessions',
    'gauge',
    '{session}',
    'client sessions, including those that may resume',
    seen => seen.links().sessions,
  ),
  one('pbt.tunnels', 'gauge', '{tunnel}', 'open tunnels', seen => seen.links().tunnels),
  one('pbt.channels', 'gauge', '{channel}', 'requests, connections and flows under way', seen => seen.links().channels),
  one('pbt.link.bytes.sent', 'counter', 'By', 'bytes sent to clients', seen => seen.links().bytesSent),
  one('pbt.link.bytes.received', 'counter', 'By', 'bytes received from clients', seen => seen.links().bytesReceived),
  one('pbt.link.unacked', 'gauge', 'By', 'bytes that clients have not acknowledged', seen => seen.links().unackedBytes),
  one('pbt.link.queued', 'gauge', 'By', 'bytes queued for clients', seen => seen.links().queuedBytes),
  one(
    'pbt.link.dropped',
    'counter',
    '{datagram}',
    'datagrams dropped because the link had no room',
    seen => seen.links().datagramsDropped,
  ),
  one(
    'pbt.link.credit_stalls',
    'counter',
    '{stall}',
    'times that data for a client waited because the client, or its target, had not read what came before',
    seen => seen.links().creditStalls,
  ),
  one('pbt.link.round_trip', 'gauge', 'ms', 'the longest round trip of all links', seen => seen.links().roundTripMs),
  one(
    'pbt.access_log.records',
    'counter',
    '{record}',
    'records written to the access log',
    seen => seen.access.written,
  ),
  one(
    'pbt.access_log.dropped',
    'counter',
    '{record}',
    'records lost: the disk was slow, full or broken',
    seen => seen.access.dropped,
  ),
  one(
    'pbt.access_log.unrecorded',
    'counter',
    '{record}',
    'refusals counted but not recorded, because there were too many',
    seen => seen.access.unrecorded,
  ),
  one(
    'pbt.access_log.failures',
    'counter',
    '{batch}',
    'batches that could not be written',
    seen => seen.access.failures,
  ),
  one('pbt.access_log.waiting', 'gauge', '{record}', 'records queued for the disk', seen => seen.waitingRecords()),
  one(
    'pbt.output.dropped',
    'counter',
    '{line}',
    'lines of log and output dropped: not read in time, or the disk was full',
    seen => seen.linesDropped(),
  ),
  {
    name: 'pbt.event_loop.delay',
    kind: 'gauge',
    unit: 'ms',
    doc: 'event-loop delay since the last scrape, by quantile (0.99 and 1)',
    read: (seen, observe) => {
      const { p99Ms, maxMs } = seen.loopDelay()
      observe(p99Ms, { quantile: '0.99' })
      observe(maxMs, { quantile: '1' })
    },
  },
  {
    name: 'pbt.certificate.lifetime',
    kind: 'gauge',
    unit: 'd',
    doc: 'days until a served certificate expires, by its first name; of development certificates only the next one',
    read: ({ certificates }, observe) => {
      for (const { name, at } of certificates()) observe((at - Date.now()) / DAY_MS, { name })
    },
  },
  one('pbt.process.memory', 'gauge', 'By', 'resident memory of the process', () => process.memoryUsage.rss()),
]

function byTunnel(
  name: string,
  unit: string,
  doc: string,
  field: TallyField | 'flowsEvicted' | 'cookiesStripped',
): Metric {
  return {
    name,
    kind: 'counter',
    unit,
    doc: `${doc}, by tunnel`,
    read: ({ tallies }, observe) => {
      for (const [tunnel, tally] of tallies) observe(tally[field], { tunnel })
    },
  }
}

function one(name: string, kind: Metric['kind'], unit: string, doc: string, read: (seen: Seen) => number): Metric {
  return { name, kind, unit, doc, read: (seen, observe) => observe(read(seen)) }
}
