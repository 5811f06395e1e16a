'use client'
// Who was turned away in the last hour, by which rule, and one press that lets them in.
import type { Refusal } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { Button } from '../components/button'
import { Card, Ip } from '../components/parts'
import { useSteady } from '../components/steady'
import { useLive } from '../live/live'
import { useRefusals } from '../live/refusals'
import { useTunnelActs } from '../tunnel/acts'
import { readable } from '../words/idn'
import { explain } from '../words/needs'
import { refusalWords } from '../words/refusal'
import { LetIn, useLetInKeys } from './let-in'

/** The log has the others. */
const SHOWN = 8

const keyOf = ({ peer, tunnel, rule }: Refusal) => `${peer} ${tunnel} ${rule}`

export function Refusals() {
  const refusals = useRefusals()
  const { rows, list, isInUse } = useSteady(refusals, keyOf)
  return (
    <Card
      id="ref"
      title="Turned away in the last hour"
      aside={
        refusals.length > 0 && (
          <Link className="push small" href="/logs?reason=1">
            In the log
          </Link>
        )
      }
    >
      {refusals.length === 0 ? (
        <p className="pad muted small">Nobody.</p>
      ) : (
        <ul className="lines below" {...list}>
          {rows.slice(0, isInUse ? 2 * SHOWN : SHOWN).map(refusal => (
            <Row refusal={refusal} key={keyOf(refusal)} />
          ))}
        </ul>
      )}
    </Card>
  )
}

function Row({ refusal }: { refusal: Refusal }) {
  const { peer, tunnel: name, isYou, address } = refusal
  const tunnel = useLive(live => live.tunnels.get(name))
  const { text, act } = refusalWords(refusal, tunnel)
  const acts = useTunnelActs()
  const onKey = useLetInKeys(act === 'allow' ? { address, peer } : undefined)
  return (
    <li data-row onKeyDown={onKey}>
      <div className="grow">
        <div className="row wrap">
          <Ip text={peer} />
          {isYou && <span className="tag you">you, right now</span>}
        </div>
        <p className="small muted">{text}</p>
      </div>
      <div className="row">
        {act === 'allow' && <LetIn address={address} peer={peer} />}
        {act === 'resume' && (
          <Button small isAct icon="play" onClick={() => acts.resume(name)}>
            {`Resume ${readable(name)}`}
          </Button>
        )}
        {act === 'security' && (
          <Link className="btn sm" href="/security">
            Refused tokens
          </Link>
        )}
        {act === 'log' && name !== '' && (
          <Link className="btn sm" href={explain(address || name, peer)}>
            Explain
          </Link>
        )}
      </div>
    </li>
  )
}
