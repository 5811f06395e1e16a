'use client'
// What is open now, and the end of one.
import { useQuery } from '@connectrpc/connect-query'
import { type Connection, type Tunnel, TunnelKind, TunnelService } from '@pbt/proto/admin/v1'
import { useEffect } from 'react'
import { Button } from '../components/button'
import { Card, Ip } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useStaying } from '../components/steady'
import { useAct } from '../components/toast'
import { tunnels } from '../live/services'
import { bytes } from '../words/bytes'
import { counted, howLong, millis } from '../words/time'

/** More are named by their number. */
const SHOWN = 20
/** Bytes and age grow meanwhile, milliseconds. */
const AGAIN_MS = 3_000

const NAMES: Readonly<Record<string, string>> = {
  websocket: 'WebSocket',
  upgrade: 'upgrade',
  tcp: 'TCP',
  udp: 'UDP flow',
  http: 'HTTP',
}

export function OpenNow({ tunnel }: { tunnel: Tunnel }) {
  const { name, openConnections } = tunnel
  const { data, refetch } = useQuery(
    TunnelService.method.listConnections,
    { tunnel: name, pageSize: SHOWN },
    { refetchInterval: openConnections > 0 ? AGAIN_MS : false, staleTime: 0 },
  )
  // The count comes with the event stream; the list follows it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new count is the reason to ask
  useEffect(() => {
    refetch()
  }, [openConnections, refetch])
  const connections = data?.connections ?? NONE
  // One that ends stays, greyed, while somebody aims at a button of its neighbours.
  const { rows, list, isGone } = useStaying(connections, idOf, 2 * SHOWN)
  return (
    <Card
      id="op"
      title="Open now"
      aside={<p>{counted(openConnections, tunnel.kind === TunnelKind.UDP ? 'flow' : 'connection')}</p>}
    >
      {rows.length === 0 && <p className="pad muted small">Nobody is there.</p>}
      <ul className="lines" {...list}>
        {rows.map(each => (
          <Row connection={each} isGone={isGone(each)} again={refetch} key={each.id} />
        ))}
      </ul>
      {openConnections > connections.length && connections.length > 0 && (
        <p className="card-foot">
          The oldest {connections.length} of {openConnections}.
        </p>
      )}
    </Card>
  )
}

const NONE: readonly Connection[] = []
const idOf = ({ id }: Connection) => id

interface RowProps {
  readonly connection: Connection
  readonly isGone: boolean
  readonly again: () => void
}

function Row({ connection, isGone, again }: RowProps) {
  const { id, kind, peer, summary, startTime, bytesIn, bytesOut } = connection
  const { busy, run } = useAct()
  const now = useSeconds()
  const age = howLong(Math.max(0, now - (millis(startTime) ?? now)))
  const what = `${NAMES[kind] ?? kind} ${summary}`.trim()
  const words = isGone ? [what, 'ended'] : [what, age, `${bytes(bytesIn)} in`, `${bytes(bytesOut)} out`]
  const end = () =>
    run(
      'Ending',
      () => tunnels.endConnection({ id }),
      () => {
        again()
        return { text: `The connection of ${peer} is ended` }
      },
    )
  return (
    <li data-row className={isGone ? 'gone' : ''}>
      <div className="grow">
        <Ip text={peer} />
        <p className="small muted">{words.join(', ')}</p>
      </div>
      <Button
        small
        isAct
        busy={isGone ? 'Ended' : busy}
        onClick={end}
        label={isGone ? `Ended: the connection of ${peer}` : `End the connection of ${peer}`}
      >
        End
      </Button>
    </li>
  )
}
