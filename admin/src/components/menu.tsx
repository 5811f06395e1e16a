'use client'
// The acts of a row, behind three dots. The browser's own popover closes it by Esc or a click elsewhere.
import { type KeyboardEvent, type ReactNode, type ToggleEvent, useId, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { Icon, type IconName } from './icon'

/** Between the button and what it opens, pixels. */
const GAP = 4

export interface MenuItem {
  readonly key: string
  readonly label: ReactNode
  /** What it does, in a few words. */
  readonly hint?: string
  readonly icon: IconName
  readonly run: () => void
  readonly isDanger?: boolean
}

export function Menu({ label, items, because }: { label: string; items: readonly MenuItem[]; because?: string }) {
  const id = useId()
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const menu = useRef<HTMLDivElement>(null)
  // Of hundreds of rows one menu at most is open: the others have no items.
  const onBeforeToggle = ({ newState }: ToggleEvent) => {
    if (newState === 'open') flushSync(() => setOpen(true))
  }
  const onToggle = ({ newState }: ToggleEvent) => {
    // Not before it is closed: the browser gives the focus back from an item that is still there.
    if (newState === 'closed') setOpen(false)
    if (newState !== 'open' || button.current === null || menu.current === null) return
    place(menu.current, button.current)
    menu.current.querySelector<HTMLElement>('button')?.focus()
  }
  const choose = (run: () => void) => {
    menu.current?.hidePopover()
    button.current?.focus()
    run()
  }
  return (
    <>
      <button
        type="button"
        className="btn quiet square sm"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        disabled={because !== undefined}
        title={because}
        popoverTarget={id}
        ref={button}
      >
        <Icon name="dots" />
      </button>
      <div
        className="menu"
        id={id}
        popover="auto"
        role="menu"
        aria-label={label}
        ref={menu}
        onBeforeToggle={onBeforeToggle}
        onToggle={onToggle}
        onKeyDown={walk}
        tabIndex={-1}
      >
        {isOpen && items.map(item => <Item item={item} choose={() => choose(item.run)} key={item.key} />)}
      </div>
    </>
  )
}

function Item({ item: { label, hint, icon, isDanger }, choose }: { item: MenuItem; choose: () => void }) {
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      className={`menu-item ${isDanger ? 'bad' : ''}`}
      onClick={choose}
    >
      <Icon name={icon} small />
      <span>
        {label}
        {hint && <small> {hint}</small>}
      </span>
    </button>
  )
}

/** Below the button, its right ends in line; above it where there is no room. */
function place(menu: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect()
  const { width, height } = menu.getBoundingClientRect()
  const hasRoom = at.bottom + GAP + height < innerHeight
  menu.style.left = `${Math.max(GAP, at.right - width)}px`
  menu.style.top = `${hasRoom ? at.bottom + GAP : at.top - GAP - height}px`
}

function walk(event: KeyboardEvent<HTMLElement>): void {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="menuitem"]')]
  const at = items.indexOf(document.activeElement as HTMLElement)
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const next =
    event.key === 'Home'
      ? 0
      : event.key === 'End'
        ? items.length - 1
        : step === undefined
          ? undefined
          : (at + step + items.length) % items.length
  if (next === undefined) return
  event.preventDefault()
  event.stopPropagation()
  items[next]?.focus()
}
