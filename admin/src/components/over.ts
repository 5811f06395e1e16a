'use client'
// On a phone, Back closes what lies over the page; the page itself is left by the next one.
import { useEffect, useRef } from 'react'

/** Something lies over the page, with an entry of its own in the browser's history. */
let isOver = false
let isLeaving = false

/** As long as `isUp`, Back calls `close`. Closed in any other way, the entry goes too. */
export function useBackCloses(isUp: boolean, close: () => void): void {
  const closing = useRef(close)
  closing.current = close
  useEffect(() => {
    if (!isUp || isOver) return
    const { href } = location
    history.pushState(null, '')
    isOver = true
    const onPop = () => {
      isOver = false
      closing.current()
    }
    addEventListener('popstate', onPop)
    return () => {
      removeEventListener('popstate', onPop)
      // A page or a filter that has come meanwhile is not to be left.
      if (isOver && !isLeaving && location.href === href) history.back()
      isOver = false
      isLeaving = false
    }
  }, [isUp])
}

/** How to go to another page and close what lies over this one: the other page takes its entry. */
export function leaving(): 'push' | 'replace' {
  isLeaving = isOver
  return isOver ? 'replace' : 'push'
}
