'use client'
import { type Client, type Tunnel, TunnelState } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { Card } from '../components/parts'
import { millis, moment } from '../words/time'

/** The machine and the target behind a tunnel. */
export function ServedBy({ tunnel, client }: { tunnel: Tunnel; client: Client | undefined }) {
  const { target, clientLabel, clientBlocks, state } = tunnel
  const created = millis(tunnel.createTime)
  const online = millis(tunnel.lastOnlineTime)
  return (
    <Card id="fa" title="Served by">
      <div className="pad">
        <dl className="facts">
          <dt>Machine</dt>
          <dd>
            <Link href="/clients">{clientLabel || 'none'}</Link>
            {client && `, ${client.agent.replace('/', ' ')}`}
          </dd>
          <dt>Target</dt>
          <dd>
            <code>{target}</code>
          </dd>
          {clientBlocks.length > 0 && (
            <>
              <dt>Its command allows</dt>
              <dd>
                <code>{clientBlocks.join(', ')}</code>
              </dd>
            </>
          )}
          {online !== undefined && (
            <>
              <dt>Last online</dt>
              <dd>{state === TunnelState.ONLINE ? 'now' : moment(online)}</dd>
            </>
          )}
          {created !== undefined && (
            <>
              <dt>First seen</dt>
              <dd>{moment(created)}</dd>
            </>
          )}
        </dl>
      </div>
    </Card>
  )
}
