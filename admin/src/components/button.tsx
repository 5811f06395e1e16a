'use client'
// Buttons: busy ones keep their width, change their word and take no click; what cannot be done says why.
import type { KeyboardEvent, ReactNode } from 'react'
import { useNoContact } from './contact'
import { Icon, type IconName } from './icon'

export interface ButtonProps {
  readonly children: ReactNode
  readonly onClick?: () => void
  readonly kind?: 'primary' | 'quiet' | 'danger' | 'danger-fill' | ''
  readonly small?: boolean
  readonly icon?: IconName
  /** The word while it works, for example "Pausing". */
  readonly busy?: string | false
  /** Why it cannot be pressed. */
  readonly because?: string
  /** It needs the server: off while that is lost. */
  readonly isAct?: boolean
  readonly label?: string
  readonly type?: 'button' | 'submit'
  readonly className?: string
}

export function Button({
  children,
  onClick,
  kind = '',
  small,
  icon,
  busy,
  because,
  isAct,
  label,
  type = 'button',
  className = '',
}: ButtonProps) {
  const isBusy = busy !== undefined && busy !== false
  const noContact = useNoContact()
  const why = because ?? (isAct ? noContact : undefined)
  return (
    <button
      type={type}
      className={`btn ${kind} ${small ? 'sm' : ''} ${className}`}
      onClick={isBusy ? undefined : onClick}
      onKeyDown={onceEach}
      aria-disabled={isBusy || undefined}
      disabled={why !== undefined}
      title={why}
      aria-label={label}
    >
      {icon && <Icon name={icon} small />}
      {isBusy ? busy : children}
    </button>
  )
}

/** Enter that is held is one press: browsers press again and again, also what has taken the place of what was pressed. */
function onceEach(event: KeyboardEvent): void {
  if (event.repeat && event.key === 'Enter') event.preventDefault()
}
