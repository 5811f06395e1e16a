// biome-ignore-all lint/a11y/useSemanticElements: rows that are not drawn are no rows of a table element, and cells of a grid lose what they mean
// biome-ignore-all lint/a11y/useFocusableInteractive: of a table, not of a grid
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the button in the row is for keys
'use client'
// The rows of the log: only those that are seen are drawn. New ones come in at the top while that is looked at.
import { defaultRangeExtractor, type Range, useVirtualizer, useWindowVirtualizer } from '@tanstack/react-virtual'
import {
  type KeyboardEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { useIsPhone } from '../components/media'
import { bytes } from '../words/bytes'
import { readable } from '../words/idn'
import { clockWithSeconds, counted, day } from '../words/time'
import { endOf, type FeedState, type Row } from './feed'
import { endingOf, tookOf, whatOf } from './words'

const ROW_PX = 32
/** Two lines. */
const PHONE_ROW_PX = 56
/** So many rows before the end, more are asked for. */
const AHEAD = 40
/** The bar at the top of a phone. */
const BAR_PX = 52
/** Scrolled further than that, newer rows wait, so that nothing shifts under the eye. */
const TOP_PX = 4

export interface RowsProps {
  readonly feed: FeedState
  readonly open: string | undefined
  readonly setOpen: (key: string) => void
  readonly onTop: (isAtTop: boolean) => void
  readonly goOn: () => void
  /** A press has begun on a row, or is over: until then rows must stay where they are. */
  readonly onPress: (isPressed: boolean) => void
  readonly newer: ReactNode
}

export function Rows({ feed, open, setOpen, onTop, goOn, onPress, newer }: RowsProps) {
  const { rows } = feed
  const frame = useRef<HTMLDivElement>(null)
  const { virtual, seen, height, top, setFocused } = useDrawn(rows, frame)
  useTop(top, onTop)
  useMore(feed, virtual.range?.endIndex ?? 0, goOn)
  const show = (index: number) => {
    virtual.scrollToIndex(index, { align: 'auto' })
    const row = rows[index]
    if (row !== undefined) setOpen(row.key)
  }
  const onKeyDown = useWalk({ rows, open, show, frame })
  const press = usePress(onPress)
  return (
    <section className="card vlog" aria-label="Records">
      <div role="table" aria-label="Records" aria-rowcount={rows.length + 1} className="vlog-table">
        <Head />
        <div
          className="vlog-frame"
          role="rowgroup"
          ref={frame}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keys too
          tabIndex={0}
          aria-label="Records, the newest first"
          onKeyDown={onKeyDown}
          onPointerDown={press}
          onBlur={() => setFocused(undefined)}
          onScroll={() => top === undefined && onTop((frame.current?.scrollTop ?? 0) <= TOP_PX)}
        >
          <div className="vlog-all" role="presentation" style={{ height: virtual.getTotalSize() }}>
            {seen.map(({ index, start, key }) => {
              const row = rows[index]
              return (
                row && (
                  <div
                    className={`vlog-row ${row.kind} ${row.key === open ? 'open' : ''}`}
                    role="row"
                    aria-rowindex={index + 2}
                    style={{ transform: `translateY(${start - (top ?? 0)}px)`, height }}
                    onClick={() => row.kind === 'record' && isClick() && setOpen(row.key)}
                    onFocus={() => setFocused(row.key)}
                    key={key}
                  >
                    <RowCells row={row} setOpen={setOpen} />
                  </div>
                )
              )
            })}
          </div>
        </div>
      </div>
      {newer}
      {rows.length === 0 && <Nothing feed={feed} />}
      <Foot feed={feed} goOn={goOn} />
    </section>
  )
}

/** Who marks an address to copy it does not want the record. */
function isClick(): boolean {
  return (getSelection()?.toString() ?? '') === ''
}

type Frame = RefObject<HTMLDivElement | null>

/** On a phone the page scrolls, and the list with it: whether its first row is seen. */
function useTop(top: number | undefined, onTop: (isAtTop: boolean) => void): void {
  const tell = useRef(onTop)
  tell.current = onTop
  useEffect(() => {
    if (top === undefined) return
    const onScroll = () => tell.current(scrollY + BAR_PX <= top + TOP_PX)
    addEventListener('scroll', onScroll, { passive: true })
    return () => removeEventListener('scroll', onScroll)
  }, [top])
}

/** Where the list begins in the page, where the page is what scrolls; else undefined. */
function usePlace(frame: Frame, isPhone: boolean): number | undefined {
  const [top, setTop] = useState(0)
  // After each change: what stands above it comes and goes.
  useLayoutEffect(() => {
    if (isPhone && frame.current !== null) setTop(Math.round(frame.current.getBoundingClientRect().top + scrollY))
  })
  return isPhone ? top : undefined
}

/** Those that are seen, a few around them, and the one with the focus. */
function useDrawn(rows: readonly Row[], frame: Frame) {
  const isPhone = useIsPhone()
  const height = isPhone ? PHONE_ROW_PX : ROW_PX
  // Another function makes it look at all rows again.
  const keyOf = useCallback((index: number) => rows[index]?.key ?? index, [rows])
  // Drawn wherever it is: a row that is not would take the focus along.
  const [focused, setFocused] = useState<string>()
  const rangeOf = useCallback(
    (range: Range) => {
      const drawn = defaultRangeExtractor(range)
      const at = focused === undefined ? -1 : rows.findIndex(({ key }) => key === focused)
      return at < 0 || drawn.includes(at) ? drawn : [...drawn, at].sort((left, right) => left - right)
    },
    [rows, focused],
  )
  const top = usePlace(frame, isPhone)
  const options = {
    ...{ count: rows.length, estimateSize: () => height },
    ...{ getItemKey: keyOf, rangeExtractor: rangeOf, overscan: 12 },
  }
  const framed = useVirtualizer({ ...options, getScrollElement: () => frame.current, enabled: !isPhone })
  const paged = useWindowVirtualizer({ ...options, scrollMargin: top ?? 0, enabled: isPhone })
  const virtual = isPhone ? paged : framed
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are known, and others at another width
  useEffect(() => virtual.measure(), [height])
  return { virtual, seen: virtual.getVirtualItems(), height, top, setFocused }
}

/** Asks for more when the last row that is seen is near the end. */
function useMore({ rows, hasMore, isSearching }: FeedState, last: number, goOn: () => void): void {
  useEffect(() => {
    if (hasMore && !isSearching && rows.length > 0 && last >= rows.length - AHEAD) goOn()
  }, [last, rows.length, hasMore, isSearching, goOn])
}

interface WalkOptions {
  readonly rows: readonly Row[]
  readonly open: string | undefined
  readonly show: (index: number) => void
  readonly frame: Frame
}

/** From record to record by keys. */
function useWalk({ rows, open, show, frame }: WalkOptions): (event: KeyboardEvent) => void {
  // A key that came before the first row is not lost: it is shown when it is there.
  const isAwaited = useRef(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: only rows that come are a reason
  useEffect(() => {
    const first = isAwaited.current ? recordAt(rows, undefined, 1) : undefined
    if (first === undefined) return
    isAwaited.current = false
    if (document.activeElement === frame.current) show(first)
  }, [rows])
  return event => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10 }[event.key]
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    event.stopPropagation()
    const next = recordAt(rows, open, step)
    isAwaited.current = next === undefined
    if (next !== undefined) show(next)
  }
}

/** A row that moves between press and release would not get its click. */
function usePress(onPress: (isPressed: boolean) => void): () => void {
  const ending = useRef<AbortController>(undefined)
  useEffect(() => () => ending.current?.abort(), [])
  return () => {
    ending.current?.abort()
    const over = new AbortController()
    ending.current = over
    const end = () => {
      over.abort()
      // The click comes after the release.
      setTimeout(() => onPress(false))
    }
    for (const name of ['pointerup', 'pointercancel']) addEventListener(name, end, { signal: over.signal })
    onPress(true)
  }
}

/** The record that many steps from the open one, or the first; places without a record are stepped over. Undefined: there is none. */
function recordAt(rows: readonly Row[], open: string | undefined, step: number): number | undefined {
  const at = rows.findIndex(({ key }) => key === open)
  const from = Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))
  const way = at < 0 ? 1 : Math.sign(step)
  for (const direction of [way, -way])
    for (let index = from; index >= 0 && index < rows.length; index += direction)
      if (rows[index]?.kind === 'record') return index
  return undefined
}

/** Where rows would be. */
function Nothing({ feed: { isSearching, searchedBackTo, hasMore } }: { feed: FeedState }) {
  if (isSearching || searchedBackTo === undefined || hasMore) return null
  return <p className="vlog-nothing muted">Nobody came in this time who fits. Who comes now is shown at once.</p>
}

function Head() {
  return (
    <div role="rowgroup" className="vlog-head">
      <div role="row" aria-rowindex={1} className="vlog-row">
        {['Time', 'Tunnel', 'Visitor', 'What', 'Answer', 'Took', 'Out'].map(title => (
          <span role="columnheader" className={`v-${title.toLowerCase()}`} key={title}>
            {title}
          </span>
        ))}
      </div>
    </div>
  )
}

function RowCells({ row, setOpen }: { row: Row; setOpen: (key: string) => void }) {
  if (row.kind === 'gap') {
    return (
      <span role="cell" className="v-gap">
        {counted(row.count, 'record')} skipped here, too fast to show
      </span>
    )
  }
  const { record, key } = row
  const { tunnel, peer, bytesOut } = record
  const ended = endOf(record)
  const { text, status = text, reason, mark, tone } = endingOf(record)
  const what = whatOf(record)
  return (
    <>
      <span role="cell" className="v-time" title={day(ended)}>
        {clockWithSeconds(ended)}
        <span className="faint ms">.{String(ended % 1_000).padStart(3, '0')}</span>
      </span>
      <span role="cell" className="v-tunnel" title={tunnel}>
        {readable(tunnel) || <span className="faint">no tunnel</span>}
      </span>
      <code role="cell" className="v-visitor" title={peer}>
        {peer}
      </code>
      <span role="cell" className="v-what">
        <button type="button" className="plain" title={what} onClick={() => setOpen(key)}>
          <code>{what}</code>
        </button>
      </span>
      <span role="cell" className="v-answer">
        <span className="v-status">
          {mark && <Mark name={mark} tone={tone} />}
          {status}
        </span>
        {reason && <span className="v-reason">{reason}</span>}
      </span>
      <span role="cell" className="v-took">
        {tookOf(record)}
      </span>
      <span role="cell" className="v-out">
        {bytes(bytesOut)}
      </span>
    </>
  )
}

function Foot({ feed, goOn }: { feed: FeedState; goOn: () => void }) {
  const { rows, isSearching, searchedBackTo, hasMore, trouble } = feed
  const back = searchedBackTo === undefined ? '' : `${day(searchedBackTo)} ${clockWithSeconds(searchedBackTo)}`
  const found = rows.length === 0 ? 'Nothing found so far' : counted(rows.length, 'record')
  return (
    <div className="vlog-foot small muted" role="status">
      {trouble !== undefined && <span>{trouble.what}. </span>}
      {isSearching && <span>Searching</span>}
      {!isSearching && searchedBackTo !== undefined && (
        <span>
          {hasMore
            ? `${found}; searched back to ${back}.`
            : `${rows.length === 0 ? 'No records' : found}, back to ${back}; that is all.`}
        </span>
      )}
      {hasMore && !isSearching && (
        <Button small onClick={goOn}>
          Go on
        </Button>
      )}
    </div>
  )
}
