'use client'
// Go to or do: everything by typing. Esc closes, arrows choose, Enter opens.
import type { Tunnel } from '@pbt/proto/admin/v1'
import { lazy, Suspense, useEffect, useState } from 'react'
import { KillDialog } from '../tunnel/kill-dialog'
import { Dialog } from './dialog'
import { isPlainKey } from './keys'
import { KeysDialog } from './keys-dialog'

const Ask = lazy(() => import('./palette-ask').then(module => ({ default: module.Ask })))

export function Palette({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  const [killing, setKilling] = useState<Tunnel>()
  const [isKeys, setKeys] = useState(false)
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
        <Suspense>
          <Ask close={() => setOpen(false)} kill={setKilling} showKeys={() => setKeys(true)} />
        </Suspense>
      </Dialog>
      <KillDialog tunnel={killing} setOpen={() => setKilling(undefined)} />
      <KeysDialog isOpen={isKeys} setOpen={setKeys} />
    </>
  )
}
