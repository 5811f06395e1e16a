'use client'
// A small chart: its title is the finding, the line its proof, a table behind a button the numbers. Drawn as SVG: at most 200 points.
import { useState } from 'react'

/** A line of the chart, broken where nothing was counted; the first one is the accent, filled. */
export interface Series {
  readonly key: string
  readonly label: string
  /** One for each point; undefined: nothing was counted. */
  readonly values: readonly (number | undefined)[]
}

const WIDTH = 600
const HEIGHT = 144
const CLASSES = ['', 'b', 'c', 'd']
/** In the table: the others are as good as these. */
const ROWS = 60

export interface PlotProps {
  readonly label: string
  readonly series: readonly Series[]
  readonly times: readonly string[]
  readonly unit: (value: number) => string
}

export function Plot({ label, series, times, unit }: PlotProps) {
  const [isTable, setTable] = useState(false)
  const most = niceMost(Math.max(0, ...series.flatMap(({ values }) => values.map(value => value ?? 0))))
  const marks = [0, 0.25, 0.5, 0.75, 1].map(part => times[Math.round(part * (times.length - 1))] ?? '')
  return (
    <>
      <div className="chart">
        <div className="ys" aria-hidden="true">
          {[most, most / 2, 0].map(value => (
            <span key={value}>{unit(value)}</span>
          ))}
        </div>
        <div className="plot short">
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
            {[0.5, HEIGHT / 2, HEIGHT - 0.5].map(y => (
              <path className="grid" d={`M0 ${y}H${WIDTH}`} key={y} />
            ))}
            {series.map(({ key, values }, index) => (
              <Line
                values={values}
                most={most}
                kind={CLASSES[index] ?? ''}
                isFilled={index === 0 && series.length === 1}
                key={key}
              />
            ))}
          </svg>
        </div>
        <div className="xs" aria-hidden="true">
          {marks.map((mark, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: five places, always the same
            <span key={index}>{mark}</span>
          ))}
        </div>
      </div>
      <p className="as-table">
        <button type="button" className="btn quiet sm" aria-expanded={isTable} onClick={() => setTable(!isTable)}>
          {isTable ? 'Hide the table' : 'As a table'}
        </button>
      </p>
      {isTable && <Numbers label={label} series={series} times={times} unit={unit} />}
    </>
  )
}

function Line({
  values,
  most,
  kind,
  isFilled,
}: {
  values: Series['values']
  most: number
  kind: string
  isFilled: boolean
}) {
  const step = values.length < 2 ? 0 : WIDTH / (values.length - 1)
  const dots: string[] = []
  let isBroken = true
  const line = values
    .map((value, index) => {
      if (value === undefined) {
        isBroken = true
        return ''
      }
      const place = `${(index * step).toFixed(1)} ${(HEIGHT - (value / most) * HEIGHT).toFixed(1)}`
      const start = isBroken ? 'M' : 'L'
      if (isBroken && values[index + 1] === undefined) dots.push(`M${place}h0`)
      isBroken = false
      return `${start}${place}`
    })
    .join('')
  return (
    <>
      {isFilled && line !== '' && <path className="ar" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />}
      <path className={`ln ${kind}`} d={line} />
      {/* A point alone is a dot: a line of no length with round ends. */}
      {dots.length > 0 && <path className={`ln ${kind} alone`} d={dots.join('')} />}
    </>
  )
}

function Numbers({ label, series, times, unit }: PlotProps) {
  const step = Math.max(1, Math.ceil(times.length / ROWS))
  const rows = times.map((time, index) => ({ time, index })).filter(({ index }) => index % step === 0)
  return (
    <div className="scroll" data-scroll>
      <table className="list" aria-label={label}>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ key, label: name }) => (
              <th scope="col" className="num" key={key}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ time, index }) => (
            <tr key={index}>
              <td>{time}</td>
              {series.map(({ key, values }) => (
                <td className="num" key={key}>
                  {values[index] === undefined ? 'none' : unit(values[index] ?? 0)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** A round number that all values fit below. */
function niceMost(most: number): number {
  if (most <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  return ([1, 2, 3, 4, 5, 6, 8, 10].find(step => step * power >= most) ?? 10) * power
}
