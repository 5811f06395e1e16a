'use client'
// One place where short words are told to screen readers: a list of hundreds of copy buttons needs no region for each.
import { useSyncExternalStore } from 'react'

/** Told again when it is said again, milliseconds later. */
const GONE_MS = 1_500

let words = ''
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

/** Says it to who cannot see it. */
export function announce(text: string): void {
  tell(text)
  clearTimeout(timer)
  timer = setTimeout(() => tell(''), GONE_MS)
}

function tell(text: string): void {
  words = text
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Once in each page. */
export function Announcer() {
  const text = useSyncExternalStore(
    subscribe,
    () => words,
    () => '',
  )
  return (
    <span className="sr" role="status">
      {text}
    </span>
  )
}
