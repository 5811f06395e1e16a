'use client'
// What the browser is like: a phone draws lists of cards in place of tables.
import { useCallback, useSyncExternalStore } from 'react'

/** A phone on its side is one too. The styles say the same. */
const PHONE = '(max-width: 720px), (max-width: 960px) and (max-height: 480px)'

/** Whether a media query holds now; false where there is no browser. */
export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (tell: () => void) => {
      const list = matchMedia(query)
      list.addEventListener('change', tell)
      return () => list.removeEventListener('change', tell)
    },
    [query],
  )
  return useSyncExternalStore(
    subscribe,
    () => matchMedia(query).matches,
    () => false,
  )
}

export function useIsPhone(): boolean {
  return useMedia(PHONE)
}
