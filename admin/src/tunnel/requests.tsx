'use client'
// What visitors do with this tunnel, as it comes; Hold keeps what is read in its place.
import { type Record as LogRecord, type Tunnel, TunnelKind } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { type ReactNode, useState } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { useIsPhone } from '../components/media'
import { Card } from '../components/parts'
import { type TailedRecord, useTail } from '../live/tail'
import { bytes } from '../words/bytes'
import { figure } from '../words/number'
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
      {dropped > 0 && <p className="pad muted small">{figure(dropped)} skipped here, too fast to show.</p>}
      {records.length === 0 ? (
        <p className="pad muted small">None yet. They appear here as they end.</p>
      ) : (
        <Newest records={records} isHttp={isHttp} />
      )}
    </Card>
  )
}

/** A table on a desk, two lines a record on a phone. */
function Newest({ records, isHttp }: { records: readonly TailedRecord[]; isHttp: boolean }) {
  const isPhone = useIsPhone()
  if (isPhone) {
    return (
      <ul className="list log" aria-label="Newest">
        {records.map(({ key, record }) => (
          <li className="tr" key={key}>
            {cellsOf(record, isHttp).map(({ name, content }) => (
              <div className={`td ${name}`} key={name}>
                {content}
              </div>
            ))}
          </li>
        ))}
      </ul>
    )
  }
  const heads = [
    ['Time', 'l-time'],
    [isHttp ? 'Request' : 'Kind', ''],
    ['Visitor', 'l-peer'],
    [isHttp ? 'Answer' : 'Bytes', 'l-stat'],
    ['Took', 'num l-ms'],
  ] as const
  return (
    <table className="list log short-log" aria-label="Newest">
      <thead>
        <tr>
          {heads.map(([title, name]) => (
            <th scope="col" className={name} key={title}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {records.map(({ key, record }) => (
          <tr className="tr" key={key}>
            {cellsOf(record, isHttp).map(({ name, content }) => (
              <td className={`td ${name}`} key={name}>
                {content}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function cellsOf(record: LogRecord, isHttp: boolean): readonly { name: string; content: ReactNode }[] {
  const { summary, kind, peer, status, reason, bytesIn, bytesOut } = record
  const at = (millis(record.startTime) ?? 0) + lengthOf(record.duration)
  const what = summary || kind
  const isBad = reason !== '' || status >= 500
  return [
    { name: 'muted c-time', content: clockWithSeconds(at) },
    { name: 'c-what', content: <code title={what}>{what}</code> },
    { name: 'c-peer', content: <code title={peer}>{peer}</code> },
    {
      name: 'c-stat',
      content: (
        <span className={isBad ? 'bad strong' : ''} title={reason}>
          {isHttp ? status || reason || 'none' : bytes(bytesIn + bytesOut)}
          {isBad && <span className="sr"> {reason}</span>}
        </span>
      ),
    },
    { name: 'num muted c-ms', content: howLong(lengthOf(record.duration)) },
  ]
}
