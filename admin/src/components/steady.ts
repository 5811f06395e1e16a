'use client'
// Rows that stay where they are while a pointer is over their list, or the focus in it: what is pressed is what was aimed at.
import { useRef, useState } from 'react'

/** What a list needs for it, and its rows: while it is in use known ones keep their places, and others stand at the end. */
export function useSteady<T>(rows: readonly T[], keyOf: (row: T) => string) {
  const [isUnder, setUnder] = useState(false)
  const [isWithin, setWithin] = useState(false)
  const order = useRef<readonly string[]>([])
  const isInUse = isUnder || isWithin
  const byKey = new Map(rows.map(row => [keyOf(row), row]))
  const known = new Set(isInUse ? order.current : [])
  order.current = [...known, ...[...byKey.keys()].filter(key => !known.has(key))]
  return {
    isInUse,
    rows: order.current.map(key => byKey.get(key)).filter(row => row !== undefined),
    list: {
      onPointerEnter: () => setUnder(true),
      onPointerLeave: () => setUnder(false),
      onFocus: () => setWithin(true),
      onBlur: () => setWithin(false),
    },
  }
}
