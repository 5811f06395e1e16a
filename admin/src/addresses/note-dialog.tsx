'use client'
import { type FormEvent, useState } from 'react'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { TextField } from '../components/text-field'
import { useAct } from '../components/toast'
import { addresses } from '../live/services'
import type { AddressRow } from '../words/address-rows'

/** What an address is for, in the owner's words. */
export function NoteDialog({ row, close }: { row: AddressRow | undefined; close: () => void }) {
  return row === undefined ? null : <Ask row={row} close={close} key={row.address} />
}

function Ask({ row, close }: { row: AddressRow; close: () => void }) {
  const [note, setNote] = useState(row.note)
  const { busy, run } = useAct()
  const save = (event: FormEvent) => {
    event.preventDefault()
    const each = row.address.startsWith('tcp+udp:')
      ? [row.address.replace('tcp+udp', 'tcp'), row.address.replace('tcp+udp', 'udp')]
      : [row.address]
    run(
      'Saving',
      () => Promise.all(each.map(address => addresses.setNote({ address, note: note.trim() }))),
      () => {
        close()
        return { text: `The note of ${row.address} is saved` }
      },
    )
  }
  return (
    <Dialog isOpen setOpen={close} title={`What is ${row.address} for?`}>
      <form onSubmit={save}>
        <TextField label="Note" value={note} maxLength={500} onChange={event => setNote(event.target.value)} />
        <div className="acts">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" kind="primary" busy={busy} isAct>
            Save the note
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
