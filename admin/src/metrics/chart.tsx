'use client'
// A chart: the finding as its title, uPlot's lines, a cross-hair for mouse, touch and arrow keys, and the same as a table.
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'
import uPlot from 'uplot'
import { Icon } from '../components/icon'
import { clock, moment } from '../words/time'
import { colour, fontOf } from './chart-style'

const HEIGHT_PX = 168
/** Figures that are whole, such as milliseconds, have a whole half. */
const LEAST = 2

/** One line. Colours are the design's, by name. */
export interface Line {
  readonly title: string
  readonly colour: 'accent' | 'muted' | 'bad' | 'warn'
  /** Dashed, so that lines differ without colours. */
  readonly dash?: readonly number[]
  readonly filled?: boolean
  /** One for each time; null: there was nothing. */
  readonly values: readonly (number | null)[]
}

export interface ChartProps {
  /** What was found. */
  readonly title: string
  readonly remark: ReactNode
  /** For who cannot see it. */
  readonly summary: string
  /** When each point begins, milliseconds. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
  /** A value for people. */
  readonly word: (value: number) => string
  /** The scale reaches at least that far: less is nothing to show. */
  readonly least?: number
}

export function Chart(props: ChartProps) {
  const { title, remark, summary, times, lines, word } = props
  const id = useId()
  const [isTable, setTable] = useState(false)
  const [at, setAt] = useState<number>()
  return (
    <section className="card" aria-labelledby={id}>
      <div className="card-head one-row">
        <div className="grow">
          <h2 id={id}>{title}</h2>
          <p>{remark}</p>
        </div>
        <TableButton title={title} isTable={isTable} setTable={setTable} />
      </div>
      <div className="pad">
        <Key lines={lines} at={at} times={times} word={word} />
        {isTable ? <Figures {...props} /> : <Plot {...props} summary={summary} at={at} setAt={setAt} />}
      </div>
    </section>
  )
}

/** The same within a card of others. */
export function InnerChart(props: ChartProps) {
  const { title, remark, lines, times, word } = props
  const [isTable, setTable] = useState(false)
  const [at, setAt] = useState<number>()
  return (
    <div>
      <div className="row between chart-head">
        <p className="small">
          <b>{title}</b> <span className="muted">{remark}</span>
        </p>
        <Key lines={lines} at={at} times={times} word={word} />
        <TableButton title={title} isTable={isTable} setTable={setTable} />
      </div>
      {isTable ? <Figures {...props} /> : <Plot {...props} at={at} setAt={setAt} />}
    </div>
  )
}

interface TableButtonProps {
  readonly title: string
  readonly isTable: boolean
  readonly setTable: (isTable: boolean) => void
}

function TableButton({ title, isTable, setTable }: TableButtonProps) {
  return (
    <button
      type="button"
      className="btn quiet square sm"
      aria-pressed={isTable}
      aria-label={`${title} as a table`}
      title="As a table"
      onClick={() => setTable(!isTable)}
    >
      <Icon name="grid" />
    </button>
  )
}

/** The lines' names, and the values at the cross-hair. */
function Key({ lines, at, times, word }: Pick<ChartProps, 'lines' | 'times' | 'word'> & { at: number | undefined }) {
  const time = at === undefined ? undefined : times[at]
  return (
    <p className="key">
      {lines.map(({ title, colour, dash, values }) => {
        const value = at === undefined ? undefined : values[at]
        return (
          <span key={title}>
            <svg viewBox="0 0 16 8" aria-hidden="true">
              <path className={`line ${colour}`} d="M0 4H16" strokeDasharray={dash?.join(' ')} />
            </svg>
            {title} {value !== undefined && value !== null && <b>{word(value)}</b>}
          </span>
        )
      })}
      {time !== undefined && <span className="push">{moment(time)}</span>}
    </p>
  )
}

interface PlotProps extends ChartProps {
  readonly at: number | undefined
  readonly setAt: (at: number | undefined) => void
}

function Plot({ summary, times, lines, word, least = LEAST, at, setAt }: PlotProps) {
  const place = useRef<HTMLDivElement>(null)
  const width = useWidth(place)
  const plot = useRef<uPlot>(undefined)
  const said = useRef({ word, setAt })
  said.current = { word, setAt }
  const shape = lines.map(({ title }) => title).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: other values are set below, without a new plot
  useEffect(() => {
    const box = place.current
    if (box === null) return
    const made = new uPlot(
      optionsOf({
        ...{ width: width.current, lines, least },
        word: value => said.current.word(value),
        onCursor: index => said.current.setAt(index),
      }),
      dataOf(times, lines),
      box,
    )
    plot.current = made
    // It tells the first width too, which is drawn already.
    const resized = new ResizeObserver(() => {
      if (box.clientWidth !== made.width) made.setSize({ width: box.clientWidth, height: HEIGHT_PX })
    })
    resized.observe(box)
    // A canvas does not follow the scheme by itself.
    const redraw = () => made.redraw(false)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', redraw)
    const chosen = new MutationObserver(redraw)
    chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      resized.disconnect()
      chosen.disconnect()
      scheme.removeEventListener('change', redraw)
      made.destroy()
    }
  }, [shape])
  useNewer(plot, times, lines)
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0
    const made = plot.current
    if (step === 0 || made === undefined) return
    event.preventDefault()
    const next = Math.min(times.length - 1, Math.max(0, at === undefined ? times.length - 1 : at + step))
    const time = times[next]
    if (time !== undefined) made.setCursor({ left: made.valToPos(time / 1_000, 'x'), top: 0 })
  }
  return (
    <div
      className="canvas"
      role="img"
      aria-label={summary}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the cross-hair
      tabIndex={0}
      ref={place}
      onKeyDown={onKeyDown}
    />
  )
}

/** The first one, read before any chart of the page is drawn: after each the browser would lay the whole page out anew to say the next. */
function useWidth(place: RefObject<HTMLDivElement | null>): RefObject<number> {
  const width = useRef(0)
  useLayoutEffect(() => {
    width.current = place.current?.clientWidth ?? 0
  }, [place])
  return width
}

/** Sets later values; the first ones are drawn with the plot. */
function useNewer(plot: RefObject<uPlot | undefined>, times: PlotProps['times'], lines: PlotProps['lines']): void {
  const drawn = useRef({ times, lines })
  useEffect(() => {
    if (drawn.current.times === times && drawn.current.lines === lines) return
    drawn.current = { times, lines }
    plot.current?.setData(dataOf(times, lines))
  }, [plot, times, lines])
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [times.map(time => time / 1_000), ...lines.map(({ values }) => [...values])]
}

interface DrawnBy {
  readonly width: number
  readonly lines: readonly Line[]
  readonly least: number
  readonly word: (value: number) => string
  readonly onCursor: (index: number | undefined) => void
}

function optionsOf({ width, lines, least, word, onCursor }: DrawnBy): uPlot.Options {
  const axis = { stroke: () => colour('faint'), font: fontOf(), ticks: { show: false } }
  return {
    width,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 6 } },
    hooks: { setCursor: [({ cursor }) => onCursor(cursor.idx ?? undefined)] },
    scales: { y: { range: (_plot, _least, most) => [0, topFor(Math.max(least, most))] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, gap: 8, space: 72, values: (_plot, splits) => labelsOf(splits) },
      {
        ...axis,
        size: 64,
        grid: { stroke: () => colour('line'), width: 1 },
        splits: (_plot, _axis, _least, top) => [0, top / 2, top],
        values: (_plot, splits) => splits.map(word),
      },
    ],
    series: [
      {},
      ...lines.map(({ title, colour: name, dash, filled }) => ({
        label: title,
        stroke: () => colour(name),
        width: 1.5,
        points: { show: true, size: 4, filter: (plot: uPlot, index: number) => alone(plot.data[index] ?? []) },
        ...(dash && { dash: [...dash] }),
        ...(filled && { fill: () => colour('accent-soft') }),
      })),
    ],
  }
}

/** Points without a neighbour make no line: each is a dot. */
function alone(values: ArrayLike<number | null | undefined>): number[] {
  const isThere = (index: number) => values[index] !== null && values[index] !== undefined
  return Array.from({ length: values.length }, (_each, index) => index).filter(
    index => isThere(index) && !isThere(index - 1) && !isThere(index + 1),
  )
}

/** Where the scale ends: a round figure whose half is round too. */
function topFor(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  // Half of three is no whole number.
  const round = power === 1 ? [2, 4, 6, 8, 10] : [1, 2, 3, 4, 5, 6, 8, 10]
  return (round.find(each => each * power >= most) ?? 10) * power
}

/** Hours of a day, days of a longer time. */
function labelsOf(splits: readonly number[]): string[] {
  const isLong = (splits.at(-1) ?? 0) - (splits[0] ?? 0) > 3 * 24 * 3_600
  return splits.map(seconds =>
    isLong
      ? new Date(seconds * 1_000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
      : clock(seconds * 1_000),
  )
}

function Figures({ title, times, lines, word }: ChartProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
    <section className="figures" aria-label={`${title}, all figures`} tabIndex={0}>
      <table className="list mid">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map(line => (
              <th scope="col" className="num" key={line.title}>
                {line.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {/* The newest first: that is what is looked for. */}
          {times
            .map((time, index) => (
              <tr key={time}>
                <th scope="row">{moment(time)}</th>
                {lines.map(line => {
                  const value = line.values[index]
                  return (
                    <td className="num" key={line.title}>
                      {value === null || value === undefined ? 'none' : word(value)}
                    </td>
                  )
                })}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </section>
  )
}
