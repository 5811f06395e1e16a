'use client'
// The token, who holds it, who is logged in here, and who tried in vain.
import { useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { Loading } from '../components/loading'
import { PageHead } from '../components/page-head'
import { useSeconds } from '../components/seconds'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { millis, moment } from '../words/time'
import { tokenStanding } from '../words/token'
import { NewToken } from './new-token'
import { Refused } from './refused'
import { useRotation } from './rotate'
import { RotateDialog } from './rotate-dialog'
import { Sessions } from './sessions'
import { WhoHas } from './who-has'

const clientsOf = (live: Live) => live.clients
const tokensOf = (live: Live) => live.tokens

export function SecurityPage() {
  const known = useLive(clientsOf)
  const tokens = useLive(tokensOf) ?? []
  const [open, setOpen] = useParam('open')
  const [isAsking, setAsking] = useState(false)
  const rotation = useRotation()
  const now = useSeconds()
  if (known === undefined) return <Loading title="Security" />
  const clients = [...known.values()]
  const close = () => {
    setAsking(false)
    setOpen('')
  }
  return (
    <>
      <PageHead
        title="Security"
        lead={leadOf(
          tokens,
          clients.map(({ tokenId }) => tokenId),
          now,
        )}
        acts={
          <Button icon="again" isAct onClick={() => setAsking(true)}>
            Rotate the token…
          </Button>
        }
      />
      <div className="stack">
        {rotation.secret !== '' && <NewToken secret={rotation.secret} forget={rotation.forget} />}
        <div className="cols even">
          <WhoHas clients={clients} tokens={tokens} />
          <Sessions />
        </div>
        <Refused />
      </div>
      {(isAsking || open === 'rotate') && <RotateDialog clients={clients} rotation={rotation} close={close} />}
    </>
  )
}

/** Who has the valid one, and when the old one ends. */
function leadOf(tokens: Live['tokens'], held: readonly bigint[], now: number): string {
  const valid = tokens.find(token => tokenStanding(token, now) === 'valid')
  const ending = tokens.find(token => tokenStanding(token, now) === 'ending')
  const good = held.filter(id => id === valid?.id).length
  const machines =
    held.length === 0
      ? ''
      : `${good} of ${held.length} ${held.length === 1 ? 'machine has' : 'machines have'} the valid token. `
  const end = millis(ending?.endTime)
  const made = millis(valid?.createTime)
  if (end !== undefined) return `${machines}The old one ends ${moment(end)}.`
  return `${machines}${made === undefined ? '' : `It was made ${moment(made)}; rotate it for a new one.`}`
}
