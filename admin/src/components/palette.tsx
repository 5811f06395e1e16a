'use client'
// Go to or do: everything by typing. Esc closes, arrows choose, Enter opens.
import type { Tunnel } from '@pbt/proto/admin/v1'
import { type ComponentType, type RefObject, useEffect, useRef, useState } from 'react'
import { KillDialog } from '../tunnel/kill-dialog'
import { Dialog } from './dialog'
import { isPlainKey } from './keys'
import { KeysDialog } from './keys-dialog'
import { type Kept, useLoaded } from './loaded'
import type { AskProps } from './palette-ask'

const ASK: Kept<ComponentType<AskProps>> = {}
const loadAsk = () => import('./palette-ask').then(({ Ask }) => Ask)

export function Palette({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  const [killing, setKilling] = useState<Tunnel>()
  const [isKeys, setKeys] = useState(false)
  const early = useEarly(isOpen)
  const Ask = useLoaded(isOpen, ASK, loadAsk)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        setOpen(true)
      } else if (event.key === '?' && isPlainKey(event)) setKeys(true)
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [setOpen])
  return (
    <>
      <Dialog isOpen={isOpen} setOpen={setOpen} title="Go to or do" hideTitle className="palette">
        {Ask && <Ask early={early} close={() => setOpen(false)} kill={setKilling} showKeys={() => setKeys(true)} />}
      </Dialog>
      <KillDialog tunnel={killing} setOpen={() => setKilling(undefined)} />
      <KeysDialog isOpen={isKeys} setOpen={setKeys} />
    </>
  )
}

/** What is typed between the key that opens it and the moment when its field is there: none of it is meant for the page. */
function useEarly(isOpen: boolean): RefObject<string> {
  const typed = useRef('')
  useEffect(() => {
    typed.current = ''
    if (!isOpen) return
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey } = event
      if (document.querySelector('[role="dialog"] [role="combobox"]') || ctrlKey || metaKey || altKey) return
      if (key === 'Backspace') typed.current = typed.current.slice(0, -1)
      else if (key.length === 1) typed.current += key
      else return
      event.preventDefault()
      event.stopPropagation()
    }
    document.addEventListener('keydown', onKey, true)
    return () => document.removeEventListener('keydown', onKey, true)
  }, [isOpen])
  return typed
}
