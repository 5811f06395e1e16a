'use client'
// The dialog itself, loaded when the first one opens.
import { Dialog as Base } from '@base-ui/react/dialog'
import type { DialogProps } from './dialog'

export function DialogBase({ isOpen, setOpen, title, children, acts, className = '', hideTitle }: DialogProps) {
  return (
    <Base.Root open={isOpen} onOpenChange={setOpen}>
      <Base.Portal>
        <Base.Backdrop className="veil" />
        <Base.Viewport className={`veil-place ${className}`}>
          <Base.Popup className="dialog">
            <Base.Title className={hideTitle ? 'sr' : ''}>{title}</Base.Title>
            {children}
            {acts && <div className="acts">{acts}</div>}
          </Base.Popup>
        </Base.Viewport>
      </Base.Portal>
    </Base.Root>
  )
}
