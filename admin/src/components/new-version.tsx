'use client'
// A new panel on the server: said once, and reloaded by itself only when a part of the old one is asked for and gone.
import { useEffect, useRef } from 'react'
import { useLive } from '../live/live'
import { Button } from './button'

const RELOADED = 'pbt-reloaded'
/** Two reloads within so long would be a loop, milliseconds. */
const LOOP_MS = 60_000

export function NewVersion() {
  const build = useLive(live => live.server?.panelBuild) ?? ''
  const first = useRef('')
  if (first.current === '') first.current = build
  useEffect(() => {
    const onError = (event: PromiseRejectionEvent | ErrorEvent) => {
      const error = 'reason' in event ? event.reason : event.error
      if (isChunkGone(error)) reloadOnce()
    }
    addEventListener('unhandledrejection', onError)
    addEventListener('error', onError)
    return () => {
      removeEventListener('unhandledrejection', onError)
      removeEventListener('error', onError)
    }
  }, [])
  if (build === '' || build === first.current) return null
  return (
    <div className="new-version" role="status">
      <span>This panel is of an older version than the server.</span>
      <Button small onClick={() => location.reload()}>
        Reload
      </Button>
    </div>
  )
}

function isChunkGone(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ChunkLoadError' || /load(?:ing)? chunk/i.test(error.message))
}

/** Also for the boundary of pages, where such an error ends. */
export function reloadOnce(): boolean {
  try {
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0)
    if (Date.now() - last < LOOP_MS) return false
    sessionStorage.setItem(RELOADED, String(Date.now()))
  } catch {
    return false
  }
  location.reload()
  return true
}
