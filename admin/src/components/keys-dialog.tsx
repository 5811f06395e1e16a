'use client'
import { useEffect, useState } from 'react'
import { Button } from './button'
import { Dialog } from './dialog'
import { areKeysOn, setKeysOn } from './keys'

const KEYS = [
  ['⌘K or Ctrl K', 'go to or do'],
  ['/', 'filter of this list'],
  ['g, then d a l m c n s e', 'dashboard, addresses, logs, metrics, clients, domains, security, explain'],
  ['j k, ↑ ↓', 'next, previous row'],
  ['↵', 'open the row'],
  ['c', 'copy the first address of the row'],
  ['p', 'pause or resume the tunnel'],
  ['x', 'kill the tunnel… (asks)'],
  ['a, then 8 or ↵', 'allow the visitor for 8 hours, or for good'],
  ['space, in logs', 'live or hold'],
  ['Esc', 'close, leave the filter'],
  ['?', 'this table'],
] as const

/** What each key does; single letters can be turned off (WCAG 2.1.4). */
export function KeysDialog({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  const [isOn, setOn] = useState(true)
  useEffect(() => setOn(areKeysOn()), [])
  return (
    <Dialog isOpen={isOpen} setOpen={setOpen} title="Keys" acts={<Button onClick={() => setOpen(false)}>Close</Button>}>
      <dl className="facts keytable">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <span className="kbd">{key}</span>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label className="check gap-top">
        <input
          type="checkbox"
          checked={isOn}
          onChange={event => {
            setKeysOn(event.target.checked)
            setOn(event.target.checked)
          }}
        />
        <span>Single letters do something</span>
      </label>
    </Dialog>
  )
}
