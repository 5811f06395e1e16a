'use client'
// Filters and sorts live in the page's address, so that a view can be kept and sent.
import { useSearchParams } from 'next/navigation'
import { useCallback, useEffect } from 'react'

/** A parameter of the page's address, and how to change it; '' and the fallback are not written. */
export function useParam(name: string, fallback = ''): readonly [value: string, set: (value: string) => void] {
  const params = useSearchParams()
  const value = params.get(name) ?? fallback
  const set = useCallback(
    (next: string) => {
      const all = new URLSearchParams(location.search)
      if (next === fallback || next === '') all.delete(name)
      else all.set(name, next)
      const text = all.toString()
      history.replaceState(null, '', location.pathname + (text === '' ? '' : `?${text}`))
    },
    [name, fallback],
  )
  return [value, set]
}

/** The same for one of these choices: whatever else stands in the address is the fallback. */
export function useChoice<Choice extends string>(
  name: string,
  choices: Readonly<Record<Choice, unknown>>,
  fallback: Choice,
): readonly [value: Choice, set: (value: string) => void] {
  const [value, set] = useParam(name, fallback)
  return [isChoice(value, choices) ? value : fallback, set]
}

function isChoice<Choice extends string>(text: string, choices: Readonly<Record<Choice, unknown>>): text is Choice {
  return Object.hasOwn(choices, text)
}

/** What stands over the page closes when the browser goes back or forward; `close` has to be the same function each time. */
export function useCloseOnBack(close: () => void): void {
  useEffect(() => {
    addEventListener('popstate', close)
    return () => removeEventListener('popstate', close)
  }, [close])
}
