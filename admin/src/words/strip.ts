// The last 24 hours of a client as a strip and as a sentence, from its history.
import { type Client, Client_State, type Event } from '@pbt/proto/admin/v1'
import { counted, howLong, millis } from './time.ts'

export interface Span {
  readonly from: number
  readonly to: number
  readonly isOn: boolean
}

export interface Strip {
  readonly spans: readonly Span[]
  /** When its link broke. */
  readonly cuts: readonly number[]
  readonly text: string
}

export const STRIP_MS = 24 * 3_600_000

const ON = /^client\.(connected|resumed)$/
const OFF = /^client\.(lost|gone|disconnected)$/

/** `history`: the newest first, as far back as it goes. Before its first event nothing is known, and it counts as away. */
export function stripOf(client: Client, history: readonly Event[], now: number): Strip {
  const start = now - STRIP_MS
  const changes = history
    .filter(({ kind }) => ON.test(kind) || OFF.test(kind))
    .map(({ kind, time }) => ({ at: millis(time) ?? 0, isOn: ON.test(kind), isCut: kind === 'client.lost' }))
    .toSorted((left, right) => left.at - right.at)
  const before = changes.filter(({ at }) => at <= start).at(-1)
  let isOn = before?.isOn ?? (changes.length === 0 && client.state === Client_State.CONNECTED)
  let from = start
  const spans: Span[] = []
  for (const change of changes) {
    if (change.at <= start || change.isOn === isOn) continue
    spans.push({ from, to: change.at, isOn })
    from = change.at
    isOn = change.isOn
  }
  spans.push({ from, to: now, isOn })
  const cuts = changes.filter(({ at, isCut }) => isCut && at > start).map(({ at }) => at)
  return { spans, cuts, text: textOf(spans) }
}

function textOf(spans: readonly Span[]): string {
  const on = spans.filter(({ isOn }) => isOn).reduce((sum, { from, to }) => sum + to - from, 0)
  const gaps = spans.filter(({ isOn }, index) => !isOn && index > 0)
  if (spans.length === 1) return on > 0 ? 'connected all the time' : 'away all the time'
  const long = on < 1_000 ? 'less than a second' : howLong(on)
  if (gaps.length === 0) return `connected for ${long}`
  const away = gaps.reduce((sum, { from, to }) => sum + to - from, 0)
  return `connected for ${long}, ${counted(gaps.length, 'gap')} of ${howLong(away)}${gaps.length > 1 ? ' together' : ''}`
}
