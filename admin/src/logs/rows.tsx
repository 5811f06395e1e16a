// biome-ignore-all lint/a11y/useSemanticElements: rows that are not drawn are no rows of a table element, and cells of a grid lose what they mean
// biome-ignore-all lint/a11y/useFocusableInteractive: of a table, not of a grid
'use client'
// The rows of the log: only those that are seen are drawn. New ones come in at the top while that is looked at.
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useCallback, useEffect, useRef } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { useIsPhone } from '../components/media'
import { bytes } from '../words/bytes'
import { clockWithSeconds, counted, day } from '../words/time'
import { endOf, type FeedState, type Row } from './feed'
import { endingOf, tookOf, whatOf } from './words'

const ROW_PX = 32
/** Two lines. */
const PHONE_ROW_PX = 56
/** So many rows before the end, more are asked for. */
const AHEAD = 40
/** Scrolled further than that, newer rows wait, so that nothing shifts under the eye. */
const TOP_PX = 4

export interface RowsProps {
  readonly feed: FeedState
  readonly open: string | undefined
  readonly setOpen: (key: string) => void
  readonly onTop: (isAtTop: boolean) => void
  readonly goOn: () => void
}

export function Rows({ feed, open, setOpen, onTop, goOn }: RowsProps) {
  const { rows, hasMore, isSearching } = feed
  const frame = useRef<HTMLDivElement>(null)
  const isPhone = useIsPhone()
  const height = isPhone ? PHONE_ROW_PX : ROW_PX
  // Another function makes it look at all rows again.
  const keyOf = useCallback((index: number) => rows[index]?.key ?? index, [rows])
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    getItemKey: keyOf,
    overscan: 12,
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are known, and others at another width
  useEffect(() => virtual.measure(), [height])
  const seen = virtual.getVirtualItems()
  const last = seen.at(-1)?.index ?? 0
  useEffect(() => {
    if (hasMore && !isSearching && rows.length > 0 && last >= rows.length - AHEAD) goOn()
  }, [last, rows.length, hasMore, isSearching, goOn])
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10 }[event.key]
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    event.stopPropagation()
    const at = rows.findIndex(({ key }) => key === open)
    const next = Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))
    virtual.scrollToIndex(next, { align: 'auto' })
    const row = rows[next]
    if (row?.kind === 'record') setOpen(row.key)
  }
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
          onScroll={() => onTop((frame.current?.scrollTop ?? 0) <= TOP_PX)}
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
                    style={{ transform: `translateY(${start}px)`, height }}
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
      {rows.length === 0 && <Nothing feed={feed} />}
      <Foot feed={feed} goOn={goOn} />
    </section>
  )
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
  const { text, mark, tone } = endingOf(record)
  const what = whatOf(record)
  return (
    <>
      <span role="cell" className="v-time" title={day(ended)}>
        {clockWithSeconds(ended)}
        <span className="faint ms">.{String(ended % 1_000).padStart(3, '0')}</span>
      </span>
      <span role="cell" className="v-tunnel" title={tunnel}>
        {tunnel || <span className="faint">none</span>}
      </span>
      <code role="cell" className="v-visitor">
        {peer}
      </code>
      <span role="cell" className="v-what">
        <button type="button" className="plain" title={what} onClick={() => setOpen(key)}>
          <code>{what}</code>
        </button>
      </span>
      <span role="cell" className="v-answer">
        {mark && <Mark name={mark} tone={tone} />}
        {text}
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
