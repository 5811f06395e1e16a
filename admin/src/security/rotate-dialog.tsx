'use client'
// How long the old token may still be used, told as what happens to these machines.
import { type Client, Client_State } from '@pbt/proto/admin/v1'
import { Fragment, useState } from 'react'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { listed } from '../words/sentence'
import type { Rotation } from './rotate'

const GRACES = [
  [0, 'Not at all', 'Rotate, old one ends now'],
  [900, '15 minutes', 'Rotate, old one ends in 15 minutes'],
  [86_400, '24 hours', 'Rotate, old one ends in 24 hours'],
] as const

export function RotateDialog({
  clients,
  rotation,
  close,
}: {
  clients: readonly Client[]
  rotation: Rotation
  close: () => void
}) {
  const [grace, setGrace] = useState<number>(86_400)
  const word = GRACES.find(([seconds]) => seconds === grace)?.[2] ?? 'Rotate'
  return (
    <Dialog
      isOpen
      setOpen={close}
      title="Rotate the token"
      acts={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" busy={rotation.busy} isAct onClick={() => rotation.rotate(grace, close)}>
            {word}
          </Button>
        </>
      }
    >
      <p className="muted small below">How long may the old one still be used?</p>
      <ul className="pick">
        {GRACES.map(([seconds, title]) => (
          <li key={seconds}>
            <label className="check">
              <input type="radio" name="grace" checked={grace === seconds} onChange={() => setGrace(seconds)} />
              <span>
                <b>{title}</b>
                <small>{whatHappens(seconds, clients).split('pbt init').map(withCommand)}</small>
              </span>
            </label>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}

/** What can be typed is told from what is read. */
function withCommand(text: string, index: number) {
  return (
    <Fragment key={index}>
      {index > 0 && <code className="nowrap">pbt init</code>}
      {text}
    </Fragment>
  )
}

function whatHappens(seconds: number, clients: readonly Client[]): string {
  const on = clients.filter(({ state }) => state !== Client_State.GONE).map(({ label }) => label)
  const away = clients.filter(({ state }) => state === Client_State.GONE).map(({ label }) => label)
  if (clients.length === 0) return 'No machine is known yet.'
  if (seconds === 0) {
    return `Someone else may have it. ${listed([...on, ...away], 4)}: cut within a second; run pbt init on each.`
  }
  const first =
    on.length === 0
      ? ''
      : `${listed(on, 4)} ${on.length === 1 ? 'gets' : 'get'} the new one over the link and go${on.length === 1 ? 'es' : ''} on.`
  const verb = away.length === 1 ? 'is' : 'are'
  const second =
    away.length === 0
      ? ''
      : `${listed(away, 4)} ${verb} away: the new one comes by itself if back by then, else run pbt init.`
  return [first, second].filter(Boolean).join(' ')
}
