'use client'
// How much went through lately, and how fast answers began.
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type Figures, MetricsService, type Tunnel, TunnelKind } from '@pbt/proto/admin/v1'
import { useMemo, useState } from 'react'
import { Card } from '../components/parts'
import { Segments } from '../components/segments'
import type { Line } from '../metrics/chart'
import { type ChartOfCard, useInnerChart } from '../metrics/drawing'
import { useFigures, useHalfMinute } from '../metrics/figures'
import { perSecond, rates, type Steps, stepsOf } from '../metrics/series'
import { bytes, rate } from '../words/bytes'
import { figure } from '../words/number'
import { counted, howLong } from '../words/time'

const HOUR_MS = 3_600_000
const RANGES = { '1': 'Last hour', '24': 'Last 24 hours', '168': 'Last 7 days' } as const
type Range = keyof typeof RANGES

export function History({ tunnel }: { tunnel: Tunnel }) {
  const [range, setRange] = useState<Range>('1')
  const end = useHalfMinute()
  const start = end - Number(range) * HOUR_MS
  const span = { tunnel: tunnel.name, startTime: timestampFromMs(start), endTime: timestampFromMs(end) }
  const data = useFigures(MetricsService.method.getSeries, { ...span, maxPoints: 120 })
  const figures = useFigures(MetricsService.method.getTotals, span)?.totals
  const steps = useMemo(() => (data === undefined ? undefined : stepsOf(data, start, end)), [data, start, end])
  const isHttp = tunnel.kind === TunnelKind.HTTP
  const InnerChart = useInnerChart()
  return (
    <Card
      id="tr"
      title={RANGES[range]}
      aside={
        <Segments
          label="Range"
          className="push"
          value={range}
          onChange={setRange}
          choices={[
            { value: '1', label: '1 h' },
            { value: '24', label: '24 h' },
            { value: '168', label: '7 d' },
          ]}
        />
      }
    >
      <div className="pad stack">
        {steps === undefined || InnerChart === undefined ? (
          <div className="canvas" />
        ) : (
          <>
            <Traffic {...{ InnerChart, steps, figures }} kind={tunnel.kind} />
            {isHttp && figures?.firstByteP50Ms !== undefined && <FirstByte {...{ InnerChart, steps, figures }} />}
          </>
        )}
      </div>
    </Card>
  )
}

interface OneChart {
  readonly InnerChart: ChartOfCard
  readonly steps: Steps
  readonly figures: Figures | undefined
}

function Traffic({ InnerChart, steps, figures, kind }: OneChart & { kind: TunnelKind }) {
  const isHttp = kind === TunnelKind.HTTP
  const words = remark(figures, isHttp)
  const title = isHttp
    ? counted(figures?.requests ?? 0n, 'request')
    : `${counted(countOf(figures), kind === TunnelKind.UDP ? 'flow' : 'connection')} ended`
  const lines: Line[] = isHttp
    ? [{ title: 'requests', colour: 'accent', filled: true, values: rates(steps, ({ requests }) => requests) }]
    : [
        { title: 'out', colour: 'accent', filled: true, values: rates(steps, ({ bytesOut }) => bytesOut) },
        { title: 'in', colour: 'muted', dash: [5, 3], values: rates(steps, ({ bytesIn }) => bytesIn) },
      ]
  const word = isHttp ? perSecond : rate
  return (
    <InnerChart
      {...{ title, lines, word }}
      remark={words}
      summary={`${title}, ${words}`}
      times={steps.times}
      {...(isHttp && { least: 0.1 })}
    />
  )
}

function FirstByte({ InnerChart, steps, figures }: OneChart) {
  const title = `Half of the answers began within ${howLong(figures?.firstByteP50Ms ?? 0)}`
  const words = `19 of 20 within ${howLong(figures?.firstByteP95Ms ?? 0)}`
  const lines: Line[] = [
    { title: 'half', colour: 'accent', values: steps.figures.map(each => each?.firstByteP50Ms ?? null) },
    {
      ...{ title: '19 of 20', colour: 'muted', dash: [5, 3] },
      values: steps.figures.map(each => each?.firstByteP95Ms ?? null),
    },
  ]
  return (
    <InnerChart
      {...{ title, lines }}
      remark={words}
      summary={`${title}, ${words}`}
      times={steps.times}
      word={howLong}
    />
  )
}

function countOf(figures: Figures | undefined): bigint {
  return (figures?.connections ?? 0n) + (figures?.flows ?? 0n)
}

function remark(figures: Figures | undefined, isHttp: boolean): string {
  if (figures === undefined) return ''
  const failed = Number(figures.status5xx) + Number(figures.broken)
  const parts = [
    `${bytes(figures.bytesOut)} out, ${bytes(figures.bytesIn)} in`,
    ...(isHttp && failed > 0 ? [`${figure(failed)} failed`] : []),
    ...(figures.refused > 0n ? [`${figure(figures.refused)} turned away`] : []),
  ]
  return parts.join('; ')
}
