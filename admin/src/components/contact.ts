'use client'
// Whether the server is heard, for what depends on it.
import { useContact } from '../live/live'

/** Why acts are off; undefined: they are on. */
export function useNoContact(): string | undefined {
  const { state } = useContact()
  return state === 'lost' ? 'Not possible without contact' : undefined
}

/** Whether what is shown may be old. */
export function useIsLost(): boolean {
  return useContact().state === 'lost'
}
