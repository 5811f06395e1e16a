'use client'
// The acts of a row, behind three dots.
import { Menu as Base } from '@base-ui/react/menu'
import type { ReactNode } from 'react'
import { Icon, type IconName } from './icon'

export interface MenuItem {
  readonly key: string
  readonly label: ReactNode
  readonly icon: IconName
  readonly run: () => void
  readonly isDanger?: boolean
}

export function Menu({ label, items, because }: { label: string; items: readonly MenuItem[]; because?: string }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger className="btn quiet square sm" aria-label={label} disabled={because !== undefined} title={because}>
        <Icon name="dots" />
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner className="menu-place" align="end" sideOffset={4}>
          <Base.Popup className="menu">
            {items.map(({ key, label: text, icon, run, isDanger }) => (
              <Base.Item className={`menu-item ${isDanger ? 'bad' : ''}`} key={key} onClick={run}>
                <Icon name={icon} small />
                {text}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
