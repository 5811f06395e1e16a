'use client'
// A bar a minute, or a longer time: how many visits there were, and how many of them were turned away or failed; of those who are turned away again and again not each has a record.
import { useQuery } from '@connectrpc/connect-query'
import { MetricsService, type Point } from '@pbt/proto/admin/v1'
import { figure } from '../words/number'
import { clock, counted, lengthOf, millis } from '../words/time'
import { timestamp } from './feed'
import { outcomesOf } from './outcomes'

const BARS = 72
const AGAIN_MS = 15_000

export type Ending = 'refused' | 'failed'

export interface BarsProps {
  readonly tunnel: string
  readonly start: number
  readonly end?: number
  /** Of the time. */
  readonly word: string
  /** How those ended that are listed below. */
  readonly chosen: Ending | undefined
  readonly choose: (ending: Ending | undefined) => void
}

export function Bars({ tunnel, start, end, word, chosen, choose }: BarsProps) {
  const { data } = useQuery(
    MetricsService.method.getSeries,
    { tunnel, startTime: timestamp(start), ...(end !== undefined && { endTime: timestamp(end) }), maxPoints: BARS },
    { refetchInterval: end === undefined ? AGAIN_MS : false, placeholderData: before => before },
  )
  if (data === undefined) return null
  const step = Math.max(60_000, lengthOf(data.step))
  const first = Math.floor(start / step) * step
  const until = end ?? Date.now()
  const { bars, all, failed, refused } = countedIn(data.points, { first, step, until })
  const most = Math.max(1, ...bars.map(({ good, bad }) => good + bad))
  const sentence = `${counted(all, 'visit')} ${word}; ${figure(refused)} turned away, ${figure(failed)} failed`
  return (
    <section className="card bars" aria-label="Visits over time">
      <div className="row between small">
        <p className="endings">
          <b>{counted(all, 'visit')}</b> <span className="muted">{word}</span>
          <Count count={refused} word="turned away" ending="refused" {...{ chosen, choose }} />
          <Count count={failed} word="failed" ending="failed" {...{ chosen, choose }} />
        </p>
        <p className="key hide-phone">
          <span>
            <i className="swatch" />
            answered
          </span>
          <span>
            <i className="swatch x" />
            turned away or failed
          </span>
        </p>
      </div>
      <div className="hist" role="img" aria-label={sentence}>
        {bars.map(({ good, bad }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
          <i key={index}>
            {bad > 0 && <u className="x" style={{ height: `${(bad / most) * 100}%` }} />}
            {good > 0 && <u style={{ height: `${(good / most) * 100}%` }} />}
          </i>
        ))}
      </div>
      <div className="row between tiny faint">
        <span>{clock(first)}</span>
        <span>{clock(first + (until - first) / 2)}</span>
        <span>{clock(until)}</span>
      </div>
    </section>
  )
}

interface CountProps extends Pick<BarsProps, 'chosen' | 'choose'> {
  readonly count: number
  readonly word: string
  readonly ending: Ending
}

/** So many; a press lists them alone, and another one all again. */
function Count({ count, word, ending, chosen, choose }: CountProps) {
  const text = `${figure(count)} ${word}`
  const isChosen = chosen === ending
  if (count === 0 && !isChosen) return <span className="muted"> {text}</span>
  return (
    <button type="button" aria-pressed={isChosen} onClick={() => choose(isChosen ? undefined : ending)}>
      {text}
    </button>
  )
}

interface Span {
  /** Of the first bar's beginning, of one bar's length and of the end, milliseconds. */
  readonly first: number
  readonly step: number
  readonly until: number
}

/** What each bar has, and all of them together. */
function countedIn(points: readonly Point[], { first, step, until }: Span) {
  const bars = Array.from({ length: Math.min(BARS + 1, Math.ceil((until - first) / step)) }, () => ({
    good: 0,
    bad: 0,
  }))
  let failed = 0
  let refused = 0
  for (const { time, figures } of points) {
    const bar = bars[Math.floor(((millis(time) ?? 0) - first) / step)]
    if (bar === undefined || figures === undefined) continue
    const outcomes = outcomesOf(figures)
    failed += outcomes.failed
    refused += outcomes.refused
    bar.bad = outcomes.failed + outcomes.refused
    bar.good = outcomes.answered
  }
  const all = bars.reduce((sum, { good, bad }) => sum + good + bad, 0)
  return { bars, all, failed, refused }
}
