'use client'
// Which machine holds which token, and the end of the old one.
import { type Client, Client_State, type Token } from '@pbt/proto/admin/v1'
import { useState } from 'react'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { Mark } from '../components/icon'
import { Card, State } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useAct } from '../components/toast'
import { useLive } from '../live/live'
import { tokens as service } from '../live/services'
import { sentence } from '../words/sentence'
import { atMoment, howLong, millis, moment } from '../words/time'
import { notStoredAt, tokenOf, tokenStanding } from '../words/token'

export function WhoHas({ clients, tokens }: { clients: readonly Client[]; tokens: readonly Token[] }) {
  const now = useSeconds()
  const ending = tokens.filter(token => tokenStanding(token, now) === 'ending')
  const [asked, setAsked] = useState<Token>()
  return (
    <Card id="wh" title="Who has which token">
      {clients.length === 0 && <p className="pad muted small">No machine is known yet.</p>}
      <ul className="lines">
        {clients.map(client => (
          <Holder client={client} tokens={tokens} now={now} key={client.id} />
        ))}
      </ul>
      {ending.map(token => {
        const end = millis(token.endTime) ?? now
        return (
          <div className="card-foot row wrap" key={String(token.id)}>
            <span className="grow">Old one ends in {howLong(Math.max(0, end - now))}</span>
            <Button small kind="danger" isAct onClick={() => setAsked(token)}>
              End it now…
            </Button>
          </div>
        )
      })}
      {asked && <EndDialog token={asked} clients={clients} close={() => setAsked(undefined)} />}
    </Card>
  )
}

function Holder({ client, tokens, now }: { client: Client; tokens: readonly Token[]; now: number }) {
  const token = tokenOf(client, tokens)
  const notStored = useLive(live => notStoredAt(client, live.events)) ?? ''
  const taken = useLive(live =>
    live.events.find(({ kind, fields }) => kind === 'token.taken' && fields.client === client.id),
  )
  const isAway = client.state === Client_State.GONE
  const end = millis(token?.endTime)
  const standing = tokenStanding(token, now)
  if (standing === 'valid' && notStored !== '')
    return (
      <li>
        <State mark="warn" tone="warn" word={client.label}>
          has the valid one, and will not have it after a restart. {sentence(notStored)} Put the new one there before.
        </State>
      </li>
    )
  if (standing === 'valid') {
    const at = millis(taken?.time)
    return (
      <li>
        <State {...(isAway ? ({ mark: 'off' } as const) : ({ mark: 'ok', tone: 'ok' } as const))} word={client.label}>
          {isAway ? 'away; ' : ''}has the valid one{at === undefined ? '' : `, took it ${atMoment(at)}`}
        </State>
      </li>
    )
  }
  if (standing === 'ending') {
    return (
      <li>
        <State mark="warn" tone="warn" word={client.label}>
          {isAway ? 'away; still holds the old one. ' : 'still holds the old one. '}
          {end !== undefined && `If it is connected before ${moment(end)} it gets the new one by itself.`}
        </State>
      </li>
    )
  }
  return (
    <li>
      <State mark="bad" tone="bad" word={client.label}>
        {isAway ? 'away; holds' : 'holds'} one that has ended: run <code>pbt init</code> on it, with the new one
      </State>
    </li>
  )
}

function EndDialog({ token, clients, close }: { token: Token; clients: readonly Client[]; close: () => void }) {
  const { busy, run } = useAct()
  const holders = clients.filter(({ tokenId }) => tokenId === token.id)
  const end = () =>
    run(
      'Ending',
      () => service.revokeToken({ id: token.id }),
      () => {
        close()
        return { text: 'The old token has ended' }
      },
    )
  return (
    <Dialog
      isOpen
      setOpen={close}
      title="End the old token now?"
      acts={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="danger-fill" busy={busy} isAct onClick={end}>
            End the old token
          </Button>
        </>
      }
    >
      <ul className="hits">
        <li>
          <Mark name={holders.length === 0 ? 'none' : 'bad'} tone={holders.length === 0 ? '' : 'bad'} />
          <span>
            {holders.length === 0
              ? 'No machine holds it any more'
              : `${holders.map(({ label }) => label).join(', ')}: cut within a second, and each needs pbt init`}
          </span>
        </li>
        <li>
          <Mark name="none" />
          <span>Other sessions of this panel that began with it end too; yours goes on</span>
        </li>
      </ul>
    </Dialog>
  )
}
