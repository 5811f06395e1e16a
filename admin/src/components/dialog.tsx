'use client'
// A dialog: its title is the question, Esc cancels, the focus comes back. On a phone it is a sheet from below.
import { type ComponentType, type ReactNode, useEffect, useState } from 'react'
import { type Kept, useLoaded } from './loaded'
import { useHush } from './toast'

const BASE: Kept<ComponentType<DialogProps>> = {}
const loadBase = () => import('./dialog-base').then(({ DialogBase }) => DialogBase)

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
  useHush(isOpen)
  const Base = useLoaded(isOpen, BASE, loadBase)
  if (Base === undefined || (!isOpen && !wasOpen)) return null
  return <Base {...props} />
}
