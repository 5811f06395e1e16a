'use client'
// Who is logged in to this panel.
import { useQuery } from '@connectrpc/connect-query'
import { PanelService } from '@pbt/proto/admin/v1'
import { useEffect } from 'react'
import { Button } from '../components/button'
import { Card } from '../components/parts'
import { useAct } from '../components/toast'
import { useLive } from '../live/live'
import { panel } from '../live/services'
import { browserOf } from '../words/agent'
import { counted, millis, moment } from '../words/time'

export function Sessions() {
  const { data, refetch } = useQuery(PanelService.method.listSessions, {}, { staleTime: 0 })
  const newest = useLive(live => live.events.find(({ kind }) => /^(panel|token)\./.test(kind))?.number) ?? 0n
  const { busy, run } = useAct()
  // biome-ignore lint/correctness/useExhaustiveDependencies: another login is the reason to ask
  useEffect(() => {
    refetch()
  }, [newest, refetch])
  const sessions = (data?.sessions ?? []).toSorted((left, right) => Number(right.isYou) - Number(left.isYou))
  const end = (ids: string[]) =>
    run(
      'Logging out',
      () => panel.endSessions({ ids }),
      ({ ended }) => {
        refetch()
        return { text: `${counted(ended, 'session')} ended` }
      },
    )
  const others = sessions.filter(({ isYou }) => !isYou)
  return (
    <Card
      id="ps"
      title="Logged in to this panel"
      aside={
        others.length > 0 && (
          <Button small className="push" isAct busy={busy} onClick={() => end([])}>
            Log out all others
          </Button>
        )
      }
    >
      <ul className="lines">
        {sessions.map(({ id, userAgent, address, isByToken, createTime, lastSeenTime, isYou }) => (
          <li key={id} data-row>
            <div className="grow">
              <div className="row wrap">
                <b>{browserOf(userAgent)}</b>
                {isYou && <span className="tag you">this one</span>}
              </div>
              <p className="small muted">
                {address}, {isByToken ? 'by token' : 'by link'}, since {moment(millis(createTime) ?? 0)}
                {!isYou && `, last seen ${moment(millis(lastSeenTime) ?? 0)}`}
              </p>
            </div>
            {!isYou && (
              <Button small isAct onClick={() => end([id])} label={`Log out ${browserOf(userAgent)} at ${address}`}>
                Log out
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Card>
  )
}
