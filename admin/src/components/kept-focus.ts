'use client'
// A row that goes away gives the focus to its neighbour: who works by keys goes on where they were, not at the top of the page.
import { useEffect } from 'react'

interface Place {
  readonly row: HTMLElement
  readonly list: HTMLElement
  readonly index: number
}

/** For the whole page, once. */
export function useKeptFocus(): void {
  useEffect(() => {
    let place: Place | undefined
    const onFocus = ({ target }: FocusEvent) => {
      // A dialog is over the page, and its end leads back.
      if (!(target instanceof HTMLElement) || target.closest('[role="dialog"]')) return
      place = placeOf(target)
    }
    const mend = () => {
      if (place === undefined || place.row.isConnected || document.activeElement !== document.body) return
      const { list, index } = place
      place = undefined
      focusIn(list, index)
    }
    // After whoever else gives the focus back.
    const changed = new MutationObserver(() => place && !place.row.isConnected && setTimeout(mend))
    document.addEventListener('focusin', onFocus)
    changed.observe(document.body, { childList: true })
    const main = document.getElementById('main')
    if (main !== null) changed.observe(main, { childList: true, subtree: true })
    return () => {
      document.removeEventListener('focusin', onFocus)
      changed.disconnect()
    }
  }, [])
}

function placeOf(target: HTMLElement): Place | undefined {
  const row = target.closest<HTMLElement>('#main [data-row]')
  const list = row?.parentElement
  return row && list ? { row, list, index: rowsOf(list).indexOf(row) } : undefined
}

function rowsOf(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>(':scope > [data-row]')]
}

function focusIn(list: HTMLElement, index: number): void {
  const rows = rowsOf(list)
  const row = rows[Math.min(index, rows.length - 1)]
  const target = row?.querySelector<HTMLElement>('a, button') ?? document.getElementById('main')
  target?.focus()
}
