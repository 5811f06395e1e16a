'use client'
// A list: a table on a desk, cards on a phone; sorted by a click on a head. While it is read, rows keep their places.
import { type KeyboardEvent, memo, type ReactNode, useDeferredValue, useMemo, useRef, useState } from 'react'
import { useParam } from './address-bar'
import { Icon } from './icon'
import { isGoing, isPlainKey } from './keys'
import { useIsPhone } from './media'
import { steadied } from './steady'

/** The least height of a row, pixels: as many rows as a screen may have are there at once, others follow in the background. */
const ROW_PX = 48
const FIRST_ROWS = { least: 12, most: 40 } as const

export interface Column<T> {
  readonly key: string
  readonly title: string
  /** The head is for screen readers alone. */
  readonly isHidden?: boolean
  readonly head?: string
  readonly className?: string
  /** What rows are sorted by; numbers start with the greatest. */
  readonly sortBy?: (row: T) => string | number
  readonly cell: (row: T) => ReactNode
}

export interface TableProps<T> {
  readonly label: string
  readonly rows: readonly T[]
  readonly columns: readonly Column<T>[]
  readonly keyOf: (row: T) => string
  /** The column of the first order. */
  readonly firstSort: string
  readonly className?: string
  readonly rowClass?: (row: T) => string
  /** Single letters, while the row has the focus. */
  readonly keys?: Readonly<Record<string, (row: T) => void>>
}

export function Table<T>({ label, rows, columns, keyOf, firstSort, className = '', rowClass, keys }: TableProps<T>) {
  const [sort, setSort] = useParam('sort', firstSort)
  const isPhone = useIsPhone()
  const sorted = useSteadyOrder(rows, columns, keyOf, sort)
  const Row = MemoRow as typeof RowOf<T>
  const [first] = useState(firstRows)
  const shown = useDeferredValue(sorted.length, first)
  const drawn = sorted
    .slice(0, Math.max(shown, first))
    .map(row => <Row row={row} columns={columns} rowClass={rowClass} keys={keys} isPhone={isPhone} key={keyOf(row)} />)
  if (isPhone) {
    return (
      <ul className={`list ${className}`} aria-label={label}>
        {drawn}
      </ul>
    )
  }
  return (
    <table className={`list ${className}`} aria-label={label}>
      <thead>
        <tr>
          {columns.map(column => (
            <Head column={column} sort={sort} setSort={setSort} key={column.key} />
          ))}
        </tr>
      </thead>
      <tbody>{drawn}</tbody>
    </table>
  )
}

function firstRows(): number {
  const { least, most } = FIRST_ROWS
  return typeof innerHeight === 'undefined' ? least : Math.min(most, Math.max(least, Math.ceil(innerHeight / ROW_PX)))
}

interface RowProps<T> extends Pick<TableProps<T>, 'columns' | 'rowClass' | 'keys'> {
  readonly row: T
  readonly isPhone: boolean
}

/** Drawn again only when its row or what it is drawn with is another one: of 200 rows most stay as they are. */
const MemoRow = memo(RowOf)

function RowOf<T>({ row, columns, rowClass, keys, isPhone }: RowProps<T>) {
  const onKey = (event: KeyboardEvent) => {
    const act = isPlainKey(event.nativeEvent) && !isGoing(event) ? keys?.[event.key] : undefined
    if (act === undefined) return
    event.preventDefault()
    event.stopPropagation()
    // A key that is held is one press.
    if (!event.repeat) act(row)
  }
  const name = `tr ${rowClass?.(row) ?? ''}`
  if (isPhone) {
    return (
      <li className={name} data-row>
        {columns.map(({ key, className: kind = '', cell }) => (
          <div className={`td ${kind}`} key={key}>
            {cell(row)}
          </div>
        ))}
      </li>
    )
  }
  return (
    <tr className={name} data-row onKeyDown={keys && onKey}>
      {columns.map(({ key, className: kind = '', cell }) => (
        <td className={`td ${kind}`} key={key}>
          {cell(row)}
        </td>
      ))}
    </tr>
  )
}

function Head<T>({ column, sort, setSort }: { column: Column<T>; sort: string; setSort: (sort: string) => void }) {
  const { key, title, head = '', isHidden, sortBy } = column
  const isUp = sort === key
  const isDown = sort === `-${key}`
  if (sortBy === undefined || isHidden) {
    return (
      <th scope="col" className={head}>
        <span className={isHidden ? 'sr' : ''}>{title}</span>
      </th>
    )
  }
  return (
    <th scope="col" className={head} aria-sort={isUp ? 'ascending' : isDown ? 'descending' : undefined}>
      <button type="button" onClick={() => setSort(isUp ? `-${key}` : key)}>
        {title}
        {(isUp || isDown) && <Icon name="down" small className={isDown ? 'turned' : ''} />}
      </button>
    </th>
  )
}

/** Sorted when the list is first seen and when its sort changes; a row that comes later stands at the end until then. */
function useSteadyOrder<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  keyOf: (row: T) => string,
  sort: string,
): readonly T[] {
  const known = useRef<{ sort: string; keys: readonly string[] }>({ sort: '', keys: [] })
  return useMemo(() => {
    const kept = known.current.sort === sort ? known.current.keys : []
    const steady = steadied(rows, keyOf, kept, others => inOrder(others, columns, sort))
    known.current = { sort: rows.length === 0 ? '' : sort, keys: steady.map(keyOf) }
    return steady
  }, [rows, columns, keyOf, sort])
}

function inOrder<T>(rows: readonly T[], columns: readonly Column<T>[], sort: string): readonly T[] {
  const isDown = sort.startsWith('-')
  const by = columns.find(({ key }) => key === sort.replace(/^-/, ''))?.sortBy
  if (by === undefined) return rows
  const compared = (left: T, right: T) => {
    const [a, b] = [by(left), by(right)]
    return typeof a === 'number' && typeof b === 'number'
      ? b - a
      : String(a).localeCompare(String(b), 'en', { numeric: true })
  }
  return rows.toSorted((left, right) => (isDown ? -compared(left, right) : compared(left, right)))
}
