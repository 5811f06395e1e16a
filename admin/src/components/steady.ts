'use client'
// Rows that stay where they are while a list is read or used: what is pressed is what was aimed at.
import { useRef, useState } from 'react'

/** The rows: first those with a known key, in the order of the keys, then the others, as `arrange` has them. */
export function steadied<T>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  known: readonly string[],
  arrange: (others: readonly T[]) => readonly T[] = others => others,
): readonly T[] {
  const isKnown = new Set(known)
  const byKey = new Map(rows.map(row => [keyOf(row), row]))
  const kept = known.map(key => byKey.get(key)).filter(row => row !== undefined)
  return [...kept, ...arrange(rows.filter(row => !isKnown.has(keyOf(row))))]
}

/** What a list needs for it, and its rows: they keep their places while a pointer is over the list, or the focus in it. */
export function useSteady<T>(rows: readonly T[], keyOf: (row: T) => string) {
  const { isInUse, list } = useInUse()
  const order = useRef<readonly string[]>([])
  const steady = steadied(rows, keyOf, isInUse ? order.current : [])
  order.current = steady.map(keyOf)
  return { isInUse, list, rows: steady }
}

/** The same for rows that go: those stay as well, at most `most` in all, until nobody uses the list. */
export function useStaying<T>(rows: readonly T[], keyOf: (row: T) => string, most: number) {
  const { isInUse, list } = useInUse()
  const shown = useRef<readonly T[]>([])
  const staying = withGone(rows, isInUse ? shown.current : [], keyOf).slice(0, most)
  shown.current = staying
  const there = new Set(rows.map(keyOf))
  return { list, rows: staying, isGone: (row: T) => !there.has(keyOf(row)) }
}

/** What was shown, in its order and as it is now, also where it has gone; then the other rows. */
export function withGone<T>(rows: readonly T[], shown: readonly T[], keyOf: (row: T) => string): readonly T[] {
  const there = new Set(rows.map(keyOf))
  const gone = shown.filter(row => !there.has(keyOf(row)))
  return steadied([...rows, ...gone], keyOf, shown.map(keyOf))
}

/** Whether a pointer is over a list, or the focus in it. */
function useInUse() {
  const [isUnder, setUnder] = useState(false)
  const [isWithin, setWithin] = useState(false)
  return {
    isInUse: isUnder || isWithin,
    list: {
      onPointerEnter: () => setUnder(true),
      onPointerLeave: () => setUnder(false),
      onFocus: () => setWithin(true),
      onBlur: () => setWithin(false),
    },
  }
}
