'use client'
// A dialog: its title is the question, Esc cancels, the focus comes back. On a phone it is a sheet from below.
import { Dialog as Base } from '@base-ui/react/dialog'
import type { ReactNode, RefObject } from 'react'

export interface DialogProps {
  readonly isOpen: boolean
  readonly setOpen: (isOpen: boolean) => void
  readonly title: ReactNode
  readonly children: ReactNode
  readonly acts?: ReactNode
  readonly className?: string
  readonly hideTitle?: boolean
  /** What has the focus first. */
  readonly first?: RefObject<HTMLElement | null>
}

export function Dialog({ isOpen, setOpen, title, children, acts, className = '', hideTitle, first }: DialogProps) {
  return (
    <Base.Root open={isOpen} onOpenChange={setOpen}>
      <Base.Portal>
        <Base.Backdrop className="veil" />
        <Base.Viewport className={`veil-place ${className}`}>
          <Base.Popup className="dialog" initialFocus={first}>
            <Base.Title className={hideTitle ? 'sr' : ''}>{title}</Base.Title>
            {children}
            {acts && <div className="acts">{acts}</div>}
          </Base.Popup>
        </Base.Viewport>
      </Base.Portal>
    </Base.Root>
  )
}
