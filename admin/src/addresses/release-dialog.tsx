'use client'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { addressText } from '../components/parts'
import { useAct } from '../components/toast'
import { addresses } from '../live/services'
import type { AddressRow } from '../words/address-rows'
import { moment } from '../words/time'

const KINDS: Readonly<Record<string, string>> = { name: 'A name.', domain: 'A domain.' }

/** Before an address is given up: who uses it, when it was used last, and what is forgotten with it. */
export function ReleaseDialog({ row, close }: { row: AddressRow | undefined; close: () => void }) {
  const { busy, run } = useAct()
  if (row === undefined) return null
  const { address, url, kindWord, isInUse, tunnels, lastUsed, note } = row
  const shown = addressText(url)
  const release = () =>
    run(
      'Releasing',
      () => addresses.releaseAddress({ address }),
      () => {
        close()
        const again = () => addresses.reserveAddress({ address, note }).catch(() => {})
        return { text: `${shown} is released`, undo: { word: 'Reserve it again', run: again } }
      },
    )
  const use = isInUse
    ? `${tunnels.join(' and ')} uses it now.`
    : lastUsed === undefined
      ? 'Nothing has ever used it.'
      : `Nothing uses it; it was used last ${moment(lastUsed)}.`
  return (
    <Dialog
      isOpen
      setOpen={close}
      title={`Release ${shown}?`}
      acts={
        <>
          <Button onClick={close}>Keep it</Button>
          <Button kind="danger-fill" onClick={release} busy={busy} isAct>
            {`Release ${address}`}
          </Button>
        </>
      }
    >
      <p className="muted small">
        {KINDS[kindWord] ?? `Port for ${kindWord.replace(' + ', ' and ')}.`} {use} After this, any of your machines can
        take it for something else, and its list of who may come in is forgotten.
      </p>
    </Dialog>
  )
}
