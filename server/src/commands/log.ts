// `pbt-server log`: what visitors did, the last ones, since some time, or as they come.
import { setTimeout as pause } from 'node:timers/promises'
import type { ApiClients } from '../api/client.ts'
import { Failure } from '../failure.ts'
import { withApi } from './api.ts'
import { type Command, type CommandOptions, type Context, durationIn, textsIn, timeIn, timestampOf } from './command.ts'
import type { RecordItem } from './events.ts'
import type { Output } from './output.ts'

type Api = ApiClients['log']
type Filter = NonNullable<Parameters<Api['tailRecords']>[0]['filter']>
type Message = Awaited<ReturnType<Api['listRecords']>>['records'][number]

const USUAL_LINES = 100
/** Before what comes. */
const USUAL_LINES_BEFORE = 10
/** So many lines of any usual length may wait for a reader. */
const LINES_AT_ONCE = 200
const PAGE = 1_000
/** Of the time since then so much is asked for at first, milliseconds; then as much as has about `PAGE` records. */
const FIRST_WINDOW_MS = 60_000
const LONGEST_WINDOW_MS = 86_400_000
/** What has just ended is written within this time, milliseconds. */
const WRITTEN_MS = 600

/** Reads from the running server; with `--follow` until it is stopped. */
export const log: Command = {
  name: 'log',
  summary: 'show the access log, newest last',
  options: [
    { name: 'tunnel', doc: 'only this tunnel' },
    { name: 'status', doc: 'only answers with this status, such as 404, or of this class, such as 5xx' },
    { name: 'from', doc: 'only visitors from this address, or this CIDR block' },
    {
      name: 'kind',
      doc: 'only http, websocket, upgrade, tcp or udp',
      choices: ['http', 'websocket', 'upgrade', 'tcp', 'udp'],
    },
    { name: 'text', doc: 'only records with this text in the tunnel’s name, the method or the path' },
    { name: 'since', doc: 'only since then, for example 15m, 8h or 2d ago' },
    { name: 'limit', doc: `the number of records [default: ${USUAL_LINES}; with --since all]` },
    { name: 'follow', doc: 'keep showing new records', isFlag: true },
  ],
  run: async (options, output, context) => {
    const asked = readOptions(options)
    const teller = new Teller(output, context)
    await withApi(options.settings, api =>
      asked.follow ? follow(api.log, asked, teller, context) : tellBefore(api.log, asked, new Date(), teller),
    )
    if (!asked.follow && teller.told === 0) {
      const isEvery = asked.since === undefined && Object.values(asked.filter).every(value => value.length === 0)
      context.stderr.say(`pbt-server: ${isEvery ? 'no visit is recorded yet' : 'no recorded visit matches'}\n`)
    }
  },
}

interface Asked {
  readonly filter: Filter
  readonly since: Date | undefined
  readonly limit: number | undefined
  readonly follow: boolean
}

/** Throws Failure `usage`. */
function readOptions({ values }: CommandOptions): Asked {
  const { duration } = durationIn('since', values.since)
  const since = duration && new Date(Date.now() - Number(duration.seconds) * 1_000)
  const follow = values.follow === true
  const limit = values.limit === undefined ? undefined : wholeNumber('limit', String(values.limit))
  const filter = {
    tunnel: oneOf('tunnel', values.tunnel),
    kinds: textsIn(values.kind),
    statuses: textsIn(values.status).map(statusIn),
    peer: oneOf('from', values.from),
    text: oneOf('text', values.text),
  }
  return { filter, since, limit: limit ?? (since && Number.POSITIVE_INFINITY), follow }
}

/** What comes, and what was before that: in order, and each once. */
async function follow(api: Api, asked: Asked, teller: Teller, context: Context): Promise<void> {
  const end = new AbortController()
  context.onStopSignal(() => end.abort())
  let began: Date | undefined
  try {
    for await (const { records, dropped } of api.tailRecords(
      { filter: asked.filter },
      { signal: end.signal, timeoutMs: 0 },
    )) {
      if (began === undefined) {
        began = new Date()
        await pause(WRITTEN_MS)
        await tellBefore(api, { ...asked, limit: asked.limit ?? USUAL_LINES_BEFORE }, began, teller)
      }
      const from = began.getTime()
      await teller.tell(records.map(itemOf).filter(({ endedAt }) => endedAt.getTime() >= from))
      if (dropped > 0n) await teller.skipped(Number(dropped))
      if (teller.isOver) return
    }
  } catch (error) {
    if (end.signal.aborted) return
    throw error
  }
  if (!end.signal.aborted) {
    throw new Failure('not-running', 'pbt-server has stopped', { cure: 'run the command again when it is back' })
  }
}

async function tellBefore(api: Api, asked: Asked, end: Date, teller: Teller): Promise<void> {
  const { filter, since, limit = USUAL_LINES } = asked
  if (since === undefined || limit < Number.POSITIVE_INFINITY) {
    await teller.tell((await between(api, filter, since, end, limit)).reverse())
    return
  }
  let windowMs = FIRST_WINDOW_MS
  for (let from = since.getTime(); from < end.getTime() && !teller.isOver; ) {
    const to = Math.min(end.getTime(), from + windowMs)
    const found = await between(api, filter, new Date(from), new Date(to), Number.POSITIVE_INFINITY)
    await teller.tell(found.reverse())
    windowMs = found.length < PAGE ? Math.min(LONGEST_WINDOW_MS, windowMs * 2) : Math.max(1_000, windowMs / 2)
    from = to
  }
}

/** The newest first. */
async function between(
  api: Api,
  filter: Filter,
  from: Date | undefined,
  to: Date,
  limit: number,
): Promise<RecordItem[]> {
  const found: RecordItem[] = []
  const span = { ...(from && { startTime: timestampOf(from) }), endTime: timestampOf(to) }
  let pageToken = ''
  do {
    const pageSize = Math.min(PAGE, limit - found.length)
    const page = await api.listRecords({ filter, ...span, pageSize, pageToken })
    found.push(...page.records.map(itemOf))
    pageToken = page.nextPageToken
  } while (pageToken !== '' && found.length < limit)
  return found
}

/** Says no more at a time than may wait for its reader, who may be a pager. */
class Teller {
  /** So many records. */
  told = 0
  private readonly output: Output
  private readonly context: Context

  constructor(output: Output, context: Context) {
    this.output = output
    this.context = context
  }

  /** The reader has gone. */
  get isOver(): boolean {
    return this.context.stdout.isClosed
  }

  async tell(items: readonly RecordItem[]): Promise<void> {
    this.told += items.length
    for (let first = 0; first < items.length && !this.isOver; first += LINES_AT_ONCE) {
      this.output({ list: 'record', items: items.slice(first, first + LINES_AT_ONCE) })
      await this.context.stdout.flush()
    }
  }

  async skipped(records: number): Promise<void> {
    this.output({ event: 'skipped', records })
    await this.context.stdout.flush()
  }
}

function itemOf(message: Message): RecordItem {
  const { id, tunnel, kind, peer, summary, status, startTime, duration, bytesIn, bytesOut, reason } = message
  const startedAt = timeIn(startTime) ?? new Date(0)
  const durationMs = Number(duration?.seconds ?? 0n) * 1_000 + (duration?.nanos ?? 0) / 1_000_000
  return {
    ...(id > 0n && { id: Number(id) }),
    ...{ tunnel, kind, peer, summary, status, startedAt, durationMs },
    endedAt: new Date(startedAt.getTime() + Math.round(durationMs)),
    ...{ bytesIn: Number(bytesIn), bytesOut: Number(bytesOut), reason },
  }
}

function statusIn(text: string): number {
  const [, hundreds, single] = /^(?:([1-5])xx|([1-5]\d\d))$/i.exec(text.trim()) ?? []
  const status = hundreds ?? single
  if (status !== undefined) return Number(status)
  throw new Failure('usage', `--status "${text}" is not a status`, {
    cure: 'for example 404, or 5xx for all from 500 on',
  })
}

function wholeNumber(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new Failure('usage', `--${option} "${text}" is not a number`, { cure: 'for example 100' })
}

function oneOf(option: string, value: unknown): string {
  const [first = '', ...more] = textsIn(value)
  if (more.length === 0) return first
  throw new Failure('usage', `--${option} is given more than once`, { cure: 'see "pbt-server log --help"' })
}
