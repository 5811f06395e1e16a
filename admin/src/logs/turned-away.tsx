'use client'
// In a record of a visitor who was turned away: by which rule, and what lets them in, here and now.
import type { Record as LogRecord } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useEffect } from 'react'
import { Button } from '../components/button'
import { LetIn, useLetInKeys } from '../dashboard/let-in'
import { useLive } from '../live/live'
import { useRefusals } from '../live/refusals'
import { useTunnelActs } from '../tunnel/acts'
import { explain } from '../words/needs'
import { turnedAwayWords } from '../words/refusal'

export function TurnedAway({ record }: { record: LogRecord }) {
  const { peer, tunnel: name, reason } = record
  const tunnel = useLive(live => live.tunnels.get(name))
  const you = useLive(live => live.server?.yourAddress)
  const refusal = useRefusals().find(each => each.peer === peer && each.tunnel === name && each.rule === reason)
  const acts = useTunnelActs()
  const { title, text, act, address } = turnedAwayWords(record, tunnel, refusal)
  const onKey = useLetInKeys(act === 'allow' ? { address, peer } : undefined)
  useEffect(() => {
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [onKey])
  return (
    <section className="note why" aria-label="Why, and what to do">
      <div>
        <p className="strong">{title}</p>
        <p>
          {peer === you && 'That is the address you use right now. '}
          {text}
        </p>
        <div className="row wrap">
          {act === 'allow' && <LetIn address={address} peer={peer} isMain />}
          {act === 'resume' && (
            <Button kind="primary" icon="play" isAct onClick={() => acts.resume(name)}>
              Resume
            </Button>
          )}
          {address !== '' && (
            <Link className="btn quiet" href={explain(address, peer)}>
              Explain
            </Link>
          )}
        </div>
      </div>
    </section>
  )
}
