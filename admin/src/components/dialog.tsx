'use client'
// A dialog: its title is the question, Esc cancels, the focus comes back. On a phone it is a sheet from below.
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react'

const Base = lazy(() => import('./dialog-base').then(({ DialogBase }) => ({ default: DialogBase })))

export interface DialogProps {
  readonly isOpen: boolean
  readonly setOpen: (isOpen: boolean) => void
  readonly title: ReactNode
  readonly children: ReactNode
  readonly acts?: ReactNode
  readonly className?: string
  readonly hideTitle?: boolean
}

/** Nothing of it is loaded before it is first opened. */
export function Dialog(props: DialogProps) {
  const { isOpen } = props
  const [wasOpen, setWasOpen] = useState(isOpen)
  useEffect(() => {
    if (isOpen) setWasOpen(true)
  }, [isOpen])
  if (!isOpen && !wasOpen) return null
  return (
    <Suspense>
      <Base {...props} />
    </Suspense>
  )
}
