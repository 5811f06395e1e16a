'use client'
// What visitors do with this tunnel, as it comes; Hold keeps what is read in its place.
import { type Tunnel, TunnelKind } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useState } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { Card } from '../components/parts'
import { useTail } from '../live/tail'
import { bytes } from '../words/bytes'
import { clockWithSeconds, howLong, lengthOf, millis } from '../words/time'

const SHOWN = 12

export function Requests({ tunnel }: { tunnel: Tunnel }) {
  const [isHeld, setHeld] = useState(false)
  const { records, dropped, isLive } = useTail(tunnel.name, SHOWN, isHeld)
  const isHttp = tunnel.kind === TunnelKind.HTTP
  return (
    <Card
      id="rq"
      title={isHttp ? 'Requests' : tunnel.kind === TunnelKind.UDP ? 'Flows' : 'Connections'}
      aside={
        <>
          <p className="row">
            <Mark name={isHeld ? 'paused' : isLive ? 'ok' : 'wait'} tone={isLive && !isHeld ? 'ok' : ''} />
            {isHeld ? 'held' : isLive ? 'live' : 'connecting'}
          </p>
          <div className="row push">
            <Button small icon={isHeld ? 'play' : 'pause'} onClick={() => setHeld(!isHeld)}>
              {isHeld ? 'Live' : 'Hold'}
            </Button>
            <Link className="btn sm quiet" href={`/logs?tunnel=${encodeURIComponent(tunnel.name)}`}>
              All in the log
            </Link>
          </div>
        </>
      }
    >
      {dropped > 0 && (
        <p className="pad muted small">{dropped.toLocaleString('en-GB')} skipped here, too fast to show.</p>
      )}
      {records.length === 0 ? (
        <p className="pad muted small">None yet. They appear here as they end.</p>
      ) : (
        <table className="list log short-log" aria-label="Newest">
          <thead>
            <tr>
              <th scope="col" className="l-time">
                Time
              </th>
              <th scope="col">{isHttp ? 'Request' : 'Kind'}</th>
              <th scope="col" className="l-peer">
                Visitor
              </th>
              <th scope="col" className="l-stat">
                {isHttp ? 'Answer' : 'Bytes'}
              </th>
              <th scope="col" className="num l-ms">
                Took
              </th>
            </tr>
          </thead>
          <tbody>
            {records.map(({ key, record }) => {
              const { summary, kind, peer, status, reason, bytesIn, bytesOut } = record
              const at = (millis(record.startTime) ?? 0) + lengthOf(record.duration)
              const what = summary || kind
              return (
                <tr key={key}>
                  <td className="muted">{clockWithSeconds(at)}</td>
                  <td>
                    <code title={what}>{what}</code>
                  </td>
                  <td className="c-peer">
                    <code title={peer}>{peer}</code>
                  </td>
                  <td className="c-stat" title={reason}>
                    <span className={reason !== '' || status >= 500 ? 'bad strong' : ''}>
                      {isHttp ? status || reason || 'none' : bytes(bytesIn + bytesOut)}
                    </span>
                  </td>
                  <td className="num muted">{howLong(lengthOf(record.duration))}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      )}
    </Card>
  )
}
