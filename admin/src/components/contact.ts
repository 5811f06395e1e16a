'use client'
// Whether the server is heard, for what depends on it.
import { useIsLost } from '../live/live'

export { useIsLost }

/** Why acts are off; undefined: they are on. */
export function useNoContact(): string | undefined {
  return useIsLost() ? 'Not possible without contact' : undefined
}
