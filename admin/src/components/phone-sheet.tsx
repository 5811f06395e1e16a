// A card that stands beside a list; on a phone it is a sheet, there only when it is asked for.
import type { ReactNode } from 'react'
import { Icon } from './icon'

export interface PhoneSheetProps {
  /** Of its heading. */
  readonly id: string
  readonly title: string
  readonly isUp: boolean
  readonly close: () => void
  readonly children: ReactNode
}

export function PhoneSheet({ id, title, isUp, close, children }: PhoneSheetProps) {
  return (
    <section className={`card sheet-on-phone ${isUp ? 'up' : ''}`} aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="btn quiet square only-phone push" aria-label="Close" onClick={close}>
          <Icon name="cross" />
        </button>
      </div>
      {children}
    </section>
  )
}
