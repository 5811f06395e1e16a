'use client'
// A card that stands beside a list; on a phone it is a sheet, there only when it is asked for.
import { type ReactNode, useLayoutEffect, useRef } from 'react'
import { Icon } from './icon'
import { useIsPhone } from './media'
import { useBackCloses } from './over'
import { useHush } from './toast'

export interface PhoneSheetProps {
  /** Of its heading. */
  readonly id: string
  readonly title: string
  readonly isUp: boolean
  readonly close: () => void
  readonly children: ReactNode
}

export function PhoneSheet({ id, title, isUp, close, children }: PhoneSheetProps) {
  const isSheet = useIsPhone() && isUp
  const sheet = useSheetFocus(isSheet, close)
  useBackCloses(isSheet, close)
  useHush(isSheet)
  return (
    <>
      {isSheet && <div className="sheet-veil" onClick={close} aria-hidden="true" />}
      <section
        className={`card sheet-on-phone ${isUp ? 'up' : ''}`}
        aria-labelledby={id}
        tabIndex={isSheet ? -1 : undefined}
        ref={sheet}
      >
        <div className="card-head">
          <h2 id={id}>{title}</h2>
          <button type="button" className="btn quiet square only-phone push" aria-label="Close" onClick={close}>
            <Icon name="cross" />
          </button>
        </div>
        {children}
      </section>
    </>
  )
}

/** It has the focus while it is up, Esc closes it, and what opened it has the focus again. */
function useSheetFocus(isSheet: boolean, close: () => void) {
  const sheet = useRef<HTMLElement>(null)
  const closing = useRef(close)
  closing.current = close
  // As soon as it is seen: a key at once is one too.
  useLayoutEffect(() => {
    if (!isSheet) return
    const opener = document.activeElement
    sheet.current?.focus({ preventScroll: true })
    const onKey = ({ key }: KeyboardEvent) => key === 'Escape' && closing.current()
    document.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('keydown', onKey)
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true })
    }
  }, [isSheet])
  return sheet
}
