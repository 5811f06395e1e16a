'use client'
// How much went through lately, and how fast answers began.
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { useQuery } from '@connectrpc/connect-query'
import { type Figures, MetricsService, type Tunnel, TunnelKind } from '@pbt/proto/admin/v1'
import { useMemo, useState } from 'react'
import { Card } from '../components/parts'
import { Plot } from '../components/plot'
import { Segments } from '../components/segments'
import { bytes, rate } from '../words/bytes'
import { counted, lengthOf, millis, moment } from '../words/time'

const HOUR_MS = 3_600_000
const RANGES = { '1': 'Last hour', '24': 'Last 24 hours', '168': 'Last 7 days' } as const
type Range = keyof typeof RANGES
/** The newest minute is written by then, milliseconds. */
const AGAIN_MS = 30_000

export function History({ tunnel }: { tunnel: Tunnel }) {
  const [range, setRange] = useState<Range>('1')
  const [end, setEnd] = useState(() => Date.now())
  const start = end - Number(range) * HOUR_MS
  const input = {
    tunnel: tunnel.name,
    startTime: timestampFromMs(start),
    endTime: timestampFromMs(end),
    maxPoints: 120,
  }
  const { data } = useQuery(MetricsService.method.getSeries, input, {
    placeholderData: before => before,
    staleTime: AGAIN_MS,
  })
  const { data: totals } = useQuery(
    MetricsService.method.getTotals,
    { tunnel: tunnel.name, startTime: input.startTime, endTime: input.endTime },
    { placeholderData: before => before, staleTime: AGAIN_MS },
  )
  const step = lengthOf(data?.step) || 60_000
  const points = useMemo(() => filled(data?.points ?? [], start, end, step), [data, start, end, step])
  const isHttp = tunnel.kind === TunnelKind.HTTP
  const figures = totals?.totals
  const change = (next: Range) => {
    setRange(next)
    setEnd(Date.now())
  }
  return (
    <Card
      id="tr"
      title={RANGES[range]}
      aside={
        <Segments
          label="Range"
          className="push"
          value={range}
          onChange={change}
          choices={[
            { value: '1', label: '1 h' },
            { value: '24', label: '24 h' },
            { value: '168', label: '7 d' },
          ]}
        />
      }
    >
      <div className="pad stack">
        <div>
          <p className="small chart-head">
            <b>
              {isHttp
                ? counted(figures?.requests ?? 0n, 'request')
                : counted(countOf(figures), tunnel.kind === TunnelKind.UDP ? 'flow' : 'connection')}
            </b>
            <span className="muted">{remark(figures, isHttp)}</span>
          </p>
          {isHttp ? (
            <Plot
              label={`Requests a minute, ${RANGES[range].toLowerCase()}`}
              series={[
                {
                  key: 'requests',
                  label: 'Requests a minute',
                  values: points.map(each => Number(each.figures?.requests ?? 0n) / (step / 60_000)),
                },
              ]}
              times={points.map(({ at }) => moment(at))}
              unit={value =>
                value < 10 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value).toLocaleString('en-GB')
              }
            />
          ) : (
            <Plot
              label={`Bytes a second, ${RANGES[range].toLowerCase()}`}
              series={[
                {
                  key: 'bytes',
                  label: 'Bytes a second',
                  values: points.map(
                    each => Number((each.figures?.bytesIn ?? 0n) + (each.figures?.bytesOut ?? 0n)) / (step / 1_000),
                  ),
                },
              ]}
              times={points.map(({ at }) => moment(at))}
              unit={rate}
            />
          )}
        </div>
        {isHttp && figures?.firstByteP50Ms !== undefined && (
          <div>
            <div className="row between wrap chart-head">
              <p className="small">
                <b>Half of the answers began within {ms(figures.firstByteP50Ms)}</b>
                <span className="muted">, 19 of 20 within {ms(figures.firstByteP95Ms ?? 0)}</span>
              </p>
              <p className="key">
                <Key kind="" label="half" />
                <Key kind="b" label="19 of 20" />
              </p>
            </div>
            <Plot
              label={`Time to the first byte: half within ${ms(figures.firstByteP50Ms)}, 19 of 20 within ${ms(figures.firstByteP95Ms ?? 0)}`}
              series={[
                { key: 'p50', label: 'half', values: points.map(each => each.figures?.firstByteP50Ms) },
                { key: 'p95', label: '19 of 20', values: points.map(each => each.figures?.firstByteP95Ms) },
              ]}
              times={points.map(({ at }) => moment(at))}
              unit={ms}
            />
          </div>
        )}
      </div>
    </Card>
  )
}

function Key({ kind, label }: { kind: string; label: string }) {
  return (
    <span>
      <svg viewBox="0 0 16 8" aria-hidden="true">
        <path className={`ln ${kind}`} d="M0 4H16" />
      </svg>
      {label}
    </span>
  )
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)} ms`
}

function countOf(figures: Figures | undefined): bigint {
  return (figures?.connections ?? 0n) + (figures?.flows ?? 0n)
}

function remark(figures: Figures | undefined, isHttp: boolean): string {
  if (figures === undefined) return ''
  const failed = Number(figures.status5xx) + Number(figures.broken)
  const parts = [
    `${bytes(figures.bytesOut)} out, ${bytes(figures.bytesIn)} in`,
    ...(isHttp && failed > 0 ? [`${failed.toLocaleString('en-GB')} failed`] : []),
    ...(figures.refused > 0n ? [`${figures.refused.toLocaleString('en-GB')} turned away`] : []),
  ]
  return ` ${parts.join('; ')}`
}

interface FilledPoint {
  readonly at: number
  readonly figures: Figures | undefined
}

/** A point for each step, also where nothing was counted. */
function filled(
  points: readonly { time?: Parameters<typeof millis>[0]; figures?: Figures }[],
  start: number,
  end: number,
  step: number,
): FilledPoint[] {
  const known = new Map(points.map(({ time, figures }) => [millis(time) ?? 0, figures]))
  const all: FilledPoint[] = []
  for (let at = Math.ceil(start / step) * step; at < end && all.length < 400; at += step)
    all.push({ at, figures: known.get(at) })
  return all
}
