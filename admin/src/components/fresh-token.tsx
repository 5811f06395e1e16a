'use client'
// A new token that its owner has not kept yet: in the memory of this tab alone, on every page, until they say that it is kept.
import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { useSyncExternalStore } from 'react'

const PAGE = '/security'

let token = ''
const listeners = new Set<() => void>()

/** '' forgets it. Until then the browser asks, in its own words, before this tab is left or loaded anew. */
export function holdToken(next: string): void {
  token = next
  if (next === '') removeEventListener('beforeunload', ask)
  else addEventListener('beforeunload', ask)
  for (const listener of listeners) listener()
}

/** '' for none. */
export function useFreshToken(): string {
  return useSyncExternalStore(
    subscribe,
    () => token,
    () => '',
  )
}

/** On other pages than the one that shows it: that it waits. */
export function FreshToken() {
  const isHeld = useFreshToken() !== ''
  const isThere = usePathname() === PAGE
  return (
    <div role="status">
      {isHeld && !isThere && (
        <div className="new-version">
          <span>The new token is shown this once, and you have not said that you kept it.</span>
          <Link className="btn sm" href={PAGE}>
            Show it
          </Link>
        </div>
      )}
    </div>
  )
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
