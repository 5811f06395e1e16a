'use client'
// Keys: single letters while a list or the page itself has the focus, never in a field; they can be turned off.
import { useRouter } from 'next/navigation'
import { useEffect, useRef } from 'react'
import { PAGES } from './pages'

const OFF = 'pbt-keys-off'
/** After g, the next letter has so long, milliseconds. */
const SECOND_MS = 1_500

/** Whether single letters do something in this browser. */
export function areKeysOn(): boolean {
  try {
    return localStorage.getItem(OFF) === null
  } catch {
    return true
  }
}

export function setKeysOn(isOn: boolean): void {
  try {
    if (isOn) localStorage.removeItem(OFF)
    else localStorage.setItem(OFF, '1')
  } catch {
    // A browser that keeps nothing has them on.
  }
}

/** A letter alone, outside of fields and dialogs. */
export function isPlainKey(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !areKeysOn()) return false
  const target = event.target instanceof HTMLElement ? event.target : null
  if (
    target?.closest('input, textarea, select, [contenteditable], [role="dialog"], [role="alertdialog"], [role="menu"]')
  )
    return false
  return true
}

/** Single letters for the page, as long as it is shown. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  const now = useRef(keys)
  now.current = keys
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const act = isPlainKey(event) ? now.current[event.key] : undefined
      if (act === undefined) return
      event.preventDefault()
      // A key that is held is one press.
      if (!event.repeat) act()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])
}

/** When g was pressed last, by the clock of events: a page that was busy between has lost no time. */
let goingAt = Number.NEGATIVE_INFINITY

/** After g: the letter that follows belongs to it, also where a row has an act of that letter. */
export function isGoing({ timeStamp }: Pick<Event, 'timeStamp'>): boolean {
  return timeStamp - goingAt < SECOND_MS
}

/** What every page has: g and a letter, / for the filter, j and k for rows, c to copy. */
export function useCommonKeys(): void {
  const router = useRouter()
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!isPlainKey(event)) return
      if (isGoing(event)) {
        goingAt = Number.NEGATIVE_INFINITY
        const page = PAGES.find(({ key }) => key !== '' && key === event.key)
        if (page !== undefined) {
          event.preventDefault()
          router.push(page.href)
        }
        return
      }
      if (event.key === 'g') goingAt = event.timeStamp
      else if (event.key === '/') focusFilter(event)
      else if (event.key === 'j' || event.key === 'ArrowDown') walk(event, 1)
      else if (event.key === 'k' || event.key === 'ArrowUp') walk(event, -1)
      else if (event.key === 'c') rowOfFocus()?.querySelector<HTMLElement>('.copy')?.click()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [router])
}

function focusFilter(event: KeyboardEvent): void {
  const filter = document.querySelector<HTMLElement>('[data-filter]')
  if (filter === null) return
  event.preventDefault()
  filter.focus()
}

function rowOfFocus(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('[data-row]') ?? null
}

/** To the first thing that can have the focus in the next row; arrows only where a row has it already. */
function walk(event: KeyboardEvent, step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('#main [data-row]')]
  const at = rows.indexOf(rowOfFocus() ?? document.body)
  if (rows.length === 0 || (at < 0 && event.key.startsWith('Arrow'))) return
  event.preventDefault()
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))]
  const target = next?.matches('[tabindex]') ? next : next?.querySelector<HTMLElement>('a, button')
  target?.focus()
}
