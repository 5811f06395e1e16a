// Events as lines for people; a client that flaps is one line, not fourteen.
import type { Event } from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import { withReadable } from './idn.ts'
import { listed, sentence, withClock } from './sentence.ts'
import { millis } from './time.ts'

export interface EventLine {
  readonly key: string
  readonly at: number
  readonly mark: MarkName
  readonly tone: Tone
  readonly text: string
}

const GOOD =
  /^(client\.(connected|resumed)|tunnel\.(online|resumed|started|target-answers)|token\.taken|server\.started|domain\.(issued|renewed|verified))$/
const BAD = /^(client\.lost|tunnel\.(refused|target-refuses)|server\.(certificate|events-lost))$/
const AWAY = /^(client\.(gone|disconnected)|tunnel\.offline)$/
/** More than so many times in an hour, and it is said once. */
const FLAPS = 5
const HOUR_MS = 3_600_000
/** Events that come within so long are of one cause. */
const TOGETHER_MS = 5_000

/** Mark and colour of what happened. */
export function eventMark({ kind, fields }: Pick<Event, 'kind' | 'fields'>): readonly [MarkName, Tone] {
  // It has the new token, and loses it at its next start.
  if (fields.notStored) return ['warn', 'warn']
  if (GOOD.test(kind)) return ['ok', 'ok']
  if (BAD.test(kind)) return ['bad', 'bad']
  if (kind === 'domain.error') return ['warn', 'warn']
  if (AWAY.test(kind)) return ['off', '']
  if (kind === 'tunnel.paused') return ['paused', '']
  if (kind === 'tunnel.killed') return ['killed', '']
  return ['none', '']
}

/** The newest first; refused visitors are told elsewhere, tunnels that come or go together are one line. */
export function eventLines(events: readonly Event[], most: number): readonly EventLine[] {
  const lines: EventLine[] = []
  const flapping = flappingSubjects(events)
  const told = new Set<string>()
  for (let index = 0; index < events.length && lines.length < most; index++) {
    const event = events[index]
    if (event === undefined || event.kind.startsWith('visitor.')) continue
    const { kind, subject } = event
    const times = kind.startsWith('client.') ? flapping.get(subject) : undefined
    if (times === undefined) {
      const together = runOf(events, index)
      lines.push(lineOf(event, together))
      index += together.length - 1
    } else if (!told.has(subject)) {
      told.add(subject)
      const text = `${subject} was lost ${times} times within an hour`
      lines.push({ ...lineOf(event, [event]), mark: 'warn', tone: 'warn', text })
    }
  }
  return lines
}

function lineOf(event: Event, together: readonly Event[]): EventLine {
  const { kind, subject, message, number, time } = event
  const [mark, tone] = eventMark(event)
  const one = message.startsWith(subject) ? withClock(message) : sentence(message).replace(/\.$/, '')
  const many = `${listed(
    together.map(each => each.subject),
    2,
  )} are ${kind === 'tunnel.online' ? 'online' : 'offline'}`
  return {
    key: String(number),
    at: millis(time) ?? 0,
    mark,
    tone,
    text: withReadable(together.length === 1 ? one : many),
  }
}

/** Tunnels of one kind of event that came with this one. */
function runOf(events: readonly Event[], from: number): readonly Event[] {
  const first = events[from]
  if (first === undefined || !/^tunnel\.(online|offline)$/.test(first.kind)) return first === undefined ? [] : [first]
  const at = millis(first.time) ?? 0
  let to = from + 1
  while (events[to]?.kind === first.kind && at - (millis(events[to]?.time) ?? 0) < TOGETHER_MS) to++
  return events.slice(from, to)
}

function flappingSubjects(events: readonly Event[]): ReadonlyMap<string, number> {
  const newest = millis(events[0]?.time) ?? 0
  const lost = new Map<string, number>()
  for (const { kind, subject, time } of events) {
    if (kind === 'client.lost' && newest - (millis(time) ?? 0) < HOUR_MS)
      lost.set(subject, (lost.get(subject) ?? 0) + 1)
  }
  return new Map([...lost].filter(([, count]) => count > FLAPS))
}
