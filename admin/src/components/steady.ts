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
  const [isUnder, setUnder] = useState(false)
  const [isWithin, setWithin] = useState(false)
  const order = useRef<readonly string[]>([])
  const isInUse = isUnder || isWithin
  const steady = steadied(rows, keyOf, isInUse ? order.current : [])
  order.current = steady.map(keyOf)
  return {
    isInUse,
    rows: steady,
    list: {
      onPointerEnter: () => setUnder(true),
      onPointerLeave: () => setUnder(false),
      onFocus: () => setWithin(true),
      onBlur: () => setWithin(false),
    },
  }
}
