'use client'
// Both ways to let a visitor in who was turned away, by a press or by keys: the same wherever a refusal is shown.
import { type KeyboardEvent, useState } from 'react'
import { Button } from '../components/button'
import { isGoing, isPlainKey } from '../components/keys'
import { useAllow } from './allow'

export interface LetInProps {
  /** The one to let them in at. */
  readonly address: string
  readonly peer: string
  /** It is what the view is about. */
  readonly isMain?: boolean
}

export function LetIn({ address, peer, isMain = false }: LetInProps) {
  const { allow, busy } = useAllow()
  const word = isMain ? 'Allow for 8 hours' : 'Allow 8 hours'
  return (
    <>
      <Button
        small={!isMain}
        kind={isMain ? 'primary' : ''}
        isAct
        busy={busy}
        onClick={() => allow(address, peer, 8)}
        label={`${word}: ${peer}`}
      >
        {word}
      </Button>
      <Button small={!isMain} isAct onClick={() => allow(address, peer, 0)} label={`Allow: ${peer} for good`}>
        Allow
      </Button>
    </>
  )
}

/** a, then 8 for hours or Enter for good; undefined: nobody can be let in here. Takes the events of where the keys count. */
export function useLetInKeys(letIn: LetInProps | undefined): (event: KeyboardEvent | globalThis.KeyboardEvent) => void {
  const [isChosen, setChosen] = useState(false)
  const { allow } = useAllow()
  return event => {
    const native = 'nativeEvent' in event ? event.nativeEvent : event
    if (letIn === undefined || !isPlainKey(native) || isGoing(native)) return
    if (event.key === 'a') setChosen(true)
    else if (isChosen && event.key === '8') allow(letIn.address, letIn.peer, 8)
    else if (isChosen && event.key === 'Enter') allow(letIn.address, letIn.peer, 0)
    else return
    event.preventDefault()
    if (event.key !== 'a') setChosen(false)
  }
}
