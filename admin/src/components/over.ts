'use client'
// On a phone, Back closes what lies over the page; the page itself is left by the next one.
import { useEffect, useRef } from 'react'

/** Something lies over the page, with an entry of its own in the browser's history. */
let isOver = false
let isLeaving = false
/** The browser is asked to take the entry of what was closed away, and has not done it yet. */
let isGoing = false

/** As long as `isUp`, Back calls `close`. Closed in any other way, the entry goes too. */
export function useBackCloses(isUp: boolean, close: () => void): void {
  const closing = useRef(close)
  closing.current = close
  useEffect(() => {
    if (!isUp || isOver) return
    const { href } = location
    const over = new AbortController()
    const { signal } = over
    const begin = () => {
      history.pushState(null, '')
      isOver = true
      const onPop = () => {
        isOver = false
        closing.current()
      }
      addEventListener('popstate', onPop, { signal })
    }
    // Opened again at once: the way back of the one before is not meant for this one.
    if (isGoing) addEventListener('popstate', begin, { once: true, signal })
    else begin()
    return () => {
      over.abort()
      // A page or a filter that has come meanwhile is not to be left.
      if (isOver && !isLeaving && location.href === href) goBack()
      isOver = false
      isLeaving = false
    }
  }, [isUp])
}

function goBack(): void {
  isGoing = true
  const done = () => {
    isGoing = false
  }
  addEventListener('popstate', done, { once: true })
  history.back()
}

/** How to go to another page and close what lies over this one: the other page takes its entry. */
export function leaving(): 'push' | 'replace' {
  isLeaving = isOver
  return isOver ? 'replace' : 'push'
}
