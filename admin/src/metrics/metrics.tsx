'use client'
// Figures over time: four charts, each with its finding as the title, and what each tunnel had.
import { type Figures, type GetTotalsResponse, MetricsService, type TunnelFigures } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useDeferredValue, useMemo } from 'react'
import { useChoice, useParam } from '../components/address-bar'
import { Icon } from '../components/icon'
import { Loading } from '../components/loading'
import { PageHead } from '../components/page-head'
import { Card } from '../components/parts'
import { type Column, Table } from '../components/table'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { timestamp } from '../logs/feed'
import { bytes, rate } from '../words/bytes'
import { readable } from '../words/idn'
import { figure } from '../words/number'
import { atMoment, counted, howLong, moment } from '../words/time'
import { Chart, type Line } from './chart'
import { useFigures, useHalfMinute } from './figures'
import { few, greatest, levels, perSecond, rates, type Steps, stepsOf } from './series'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const RANGES: Readonly<Record<string, readonly [ms: number, title: string, before: string]>> = {
  '1h': [HOUR, '1 h', 'the hour before'],
  '24h': [DAY, '24 h', 'the day before'],
  '7d': [7 * DAY, '7 d', 'the week before'],
  '30d': [30 * DAY, '30 d', 'the 30 days before'],
  '13mo': [395 * DAY, '13 mo', 'the 13 months before'],
}
const USUAL = '24h'

export function Metrics() {
  const [range, setRange] = useChoice('range', RANGES, USUAL)
  const [tunnel, setTunnel] = useParam('tunnel')
  const [length, , before] = RANGES[range] ?? [DAY, '', 'the day before']
  const now = useHalfMinute()
  const span = useMemo(() => ({ startTime: timestamp(now - length), endTime: timestamp(now) }), [now, length])
  const totals = useFigures(MetricsService.method.getTotals, { tunnel, ...span, omitByTunnel: true })
  const series = useFigures(MetricsService.method.getSeries, { tunnel, ...span, maxPoints: 200 })
  // By itself and last: with hundreds of tunnels it takes longer than the rest, and nothing waits for it.
  const byTunnel = useFigures(MetricsService.method.getTotals, { tunnel, ...span })?.byTunnel
  const steps = useMemo(
    () => (series === undefined ? undefined : stepsOf(series, now - length, now)),
    [series, now, length],
  )
  if (totals === undefined || steps === undefined) return <Loading title="Metrics" />
  return (
    <>
      <PageHead
        title="Metrics"
        lead={`${moment(now - length)} to now, every ${howLong(steps.stepMs)}`}
        acts={
          <>
            <Which tunnel={tunnel} setTunnel={setTunnel} />
            <Ranges range={range} setRange={setRange} />
          </>
        }
      />
      <div className="stack">
        <div className="cols even">
          <Requests steps={steps} totals={totals.totals} />
          <Carried steps={steps} answer={totals} most={byTunnel?.[0]} before={before} />
          <FirstByte steps={steps} totals={totals.totals} />
          <Connections steps={steps} totals={totals.totals} tunnel={tunnel} />
        </div>
        <ByTunnel rows={byTunnel} />
      </div>
    </>
  )
}

function Which({ tunnel, setTunnel }: { tunnel: string; setTunnel: (tunnel: string) => void }) {
  const tunnels = useLive(live => live.tunnels)
  const names = [...new Set([...(tunnels?.keys() ?? []), ...(tunnel === '' ? [] : [tunnel])])].sort()
  return (
    <label className="input choice">
      <span className="sr">Tunnel</span>
      <select value={tunnel} onChange={event => setTunnel(event.target.value)}>
        <option value="">All tunnels</option>
        {names.map(name => (
          <option value={name} key={name}>
            {readable(name)}
          </option>
        ))}
      </select>
      <Icon name="down" small />
    </label>
  )
}

function Ranges({ range, setRange }: { range: string; setRange: (range: string) => void }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset draws a frame
    <div className="seg" role="group" aria-label="Time">
      {Object.entries(RANGES).map(([key, [, title]]) => (
        <button type="button" aria-pressed={range === key} onClick={() => setRange(key)} key={key}>
          {title}
        </button>
      ))}
    </div>
  )
}

interface OneChart {
  readonly steps: Steps
  readonly totals: Figures | undefined
}

function Requests({ steps, totals }: OneChart) {
  const all = rates(steps, ({ requests, upgrades }) => requests + upgrades)
  const failed = rates(steps, ({ status5xx, broken }) => status5xx + broken)
  const lines: Line[] = [
    { title: 'all', colour: 'accent', filled: true, values: all },
    { title: 'failed', colour: 'bad', dash: [2, 2], values: failed },
  ]
  const sum = Number((totals?.requests ?? 0n) + (totals?.upgrades ?? 0n))
  const wrong = Number((totals?.status5xx ?? 0n) + (totals?.broken ?? 0n))
  const top = greatest(all)
  const share = sum === 0 ? 0 : (wrong / sum) * 100
  const remark =
    top === undefined
      ? 'none in this time'
      : `${share === 0 ? 'none' : `${share < 0.1 ? 'less than 0.1' : share.toFixed(1)} %`} failed; busiest ${perSecond(all[top] ?? 0)} ${atMoment(steps.times[top] ?? 0)}`
  const title = counted(sum, 'request')
  return (
    <Chart
      {...{ title, remark, lines }}
      summary={`${title}, ${remark}`}
      times={steps.times}
      word={perSecond}
      least={0.1}
    />
  )
}

interface CarriedProps {
  readonly steps: Steps
  readonly answer: GetTotalsResponse
  readonly most: TunnelFigures | undefined
  readonly before: string
}

function Carried({ steps, answer, most, before }: CarriedProps) {
  const { totals, before: earlier } = answer
  const lines: Line[] = [
    { title: 'out', colour: 'accent', filled: true, values: rates(steps, ({ bytesOut }) => bytesOut) },
    { title: 'in', colour: 'muted', dash: [5, 3], values: rates(steps, ({ bytesIn }) => bytesIn) },
  ]
  const title = `${bytes(totals?.bytesOut ?? 0n)} out, ${bytes(totals?.bytesIn ?? 0n)} in`
  const more = Number((totals?.bytesOut ?? 0n) - (earlier?.bytesOut ?? 0n))
  const by = most === undefined || most.tunnel === '' ? '' : `; most of it ${readable(most.tunnel)}`
  const remark =
    more === 0
      ? `as much as ${before}`
      : `${bytes(Math.abs(more))} ${more > 0 ? 'more' : 'less'} out than ${before}${by}`
  return <Chart {...{ title, remark, lines }} summary={`${title}, ${remark}`} times={steps.times} word={rate} />
}

function FirstByte({ steps, totals }: OneChart) {
  const half = steps.figures.map(each => each?.firstByteP50Ms ?? null)
  const most = steps.figures.map(each => each?.firstByteP95Ms ?? null)
  const lines: Line[] = [
    { title: 'half', colour: 'accent', values: half },
    { title: '19 of 20', colour: 'muted', dash: [5, 3], values: most },
  ]
  const { firstByteP50Ms: middle, firstByteP95Ms: high } = totals ?? {}
  const title = middle === undefined ? 'No answers in this time' : `Half of the answers began within ${howLong(middle)}`
  const top = greatest(most)
  const remark =
    high === undefined
      ? ''
      : `19 of 20 within ${howLong(high)}${top === undefined ? '' : `; slowest ${atMoment(steps.times[top] ?? 0)}`}`
  return <Chart {...{ title, remark, lines }} summary={`${title}. ${remark}`} times={steps.times} word={howLong} />
}

function Connections({ steps, totals, tunnel }: OneChart & { tunnel: string }) {
  const now = useLive(live => openOf(live, tunnel)) ?? 0
  const open = levels(steps, ({ openOnAverage }) => openOnAverage)
  const lines: Line[] = [{ title: 'open', colour: 'accent', filled: true, values: open }]
  const title = `${counted(now, 'connection')} open now`
  const top = greatest(open)
  const most =
    top === undefined ? '' : `most ${few(Math.max(1, Math.round(open[top] ?? 0)))} ${atMoment(steps.times[top] ?? 0)}; `
  const away = figure(totals?.refused ?? 0n)
  const remark = `${most}${counted(totals?.connections ?? 0n, 'TCP connection')} and ${counted(totals?.flows ?? 0n, 'UDP flow')} ended, ${away} visits turned away`
  return <Chart {...{ title, remark, lines }} summary={`${title}, ${remark}`} times={steps.times} word={few} />
}

/** Of all tunnels where none is named. */
function openOf({ tunnels }: Live, name: string): number {
  const shown = name === '' ? [...tunnels.values()] : [tunnels.get(name)]
  return shown.reduce((sum, each) => sum + (each?.openConnections ?? 0), 0)
}

const COLUMNS: readonly Column<TunnelFigures>[] = [
  {
    key: 'name',
    title: 'Tunnel',
    sortBy: ({ tunnel }) => tunnel,
    cell: ({ tunnel }) =>
      tunnel === '' ? (
        <span className="faint">no tunnel</span>
      ) : (
        <Link className="name" href={`/tunnel?name=${encodeURIComponent(tunnel)}`}>
          {readable(tunnel)}
        </Link>
      ),
  },
  numberColumn(
    'visits',
    'Requests or connections',
    f => f.requests + f.upgrades + f.connections + f.flows,
    'c-sub c-visits',
  ),
  numberColumn('failed', 'Failed', f => f.status5xx + f.broken, 'off'),
  numberColumn('refused', 'Turned away', f => f.refused, 'off'),
  { ...numberColumn('out', 'Out', f => f.bytesOut, 'c-act'), cell: ({ figures }) => bytes(figures?.bytesOut ?? 0n) },
  { ...numberColumn('in', 'In', f => f.bytesIn, 'off'), cell: ({ figures }) => bytes(figures?.bytesIn ?? 0n) },
]

function numberColumn(
  key: string,
  title: string,
  pick: (figures: Figures) => bigint,
  className: string,
): Column<TunnelFigures> {
  const of = ({ figures }: TunnelFigures) => (figures === undefined ? 0 : Number(pick(figures)))
  return {
    ...{ key, title, head: 'num', className: `num ${className}`, sortBy: of },
    cell: row => (of(row) === 0 ? <span className="faint">0</span> : figure(of(row))),
  }
}

function ByTunnel({ rows: all }: { rows: readonly TunnelFigures[] | undefined }) {
  // The charts come first; hundreds of rows below them are drawn right after.
  const rows = useDeferredValue(all, undefined)
  return (
    <Card id="by-tunnel" title="By tunnel">
      {rows === undefined ? null : rows.length === 0 ? (
        <p className="pad muted">Nobody came in this time. The dashboard has the addresses of your tunnels.</p>
      ) : (
        <Table
          label="By tunnel"
          rows={rows}
          columns={COLUMNS}
          keyOf={({ tunnel }) => tunnel}
          firstSort="out"
          className="mid"
        />
      )}
    </Card>
  )
}
