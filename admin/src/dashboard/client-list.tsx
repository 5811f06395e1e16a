'use client'
import { Client_State } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { Card, State } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useLive } from '../live/live'
import { clientStanding, isOut, roundTrip, withoutReplaced } from '../words/client'

/** The machines, shortly: there or away, and what brings them back. */
export function ClientList() {
  const [known, tunnels] = [useLive(live => live.clients), useLive(live => live.tunnels)]
  const clients = known === undefined || tunnels === undefined ? [] : withoutReplaced(known, tunnels)
  const tokens = useLive(live => live.tokens) ?? []
  const now = useSeconds()
  return (
    <Card
      id="cl"
      title="Clients"
      aside={
        <Link className="push small" href="/clients">
          History
        </Link>
      }
    >
      {clients.length === 0 && <p className="pad muted small">None is known.</p>}
      <ul className="lines">
        {clients.map(client => {
          const { mark, tone, since } = clientStanding(client, now)
          return (
            <li key={client.id}>
              <State mark={mark} tone={tone} word={client.label}>
                {since}
                {client.state === Client_State.GONE ? (
                  <>
                    . Next: {isOut(client, tokens, now) ? 'its token has ended, run ' : 'switch it on, or run '}
                    <code>{isOut(client, tokens, now) ? 'pbt init' : 'pbt daemon start'}</code> there
                  </>
                ) : (
                  ` · ${client.publicAddress}`
                )}
              </State>
              <span className="push small muted nowrap">{roundTrip(client)}</span>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}
