'use client'
// Tokens and logins that were refused.
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { Refusal } from '@pbt/proto/admin/v1'
import { useMemo, useState } from 'react'
import { Card, Ip } from '../components/parts'
import { type Column, Table } from '../components/table'
import { useLive } from '../live/live'
import { useRefusalsSince } from '../live/refusals'
import { figure } from '../words/number'
import { millis, moment } from '../words/time'

/** The server remembers them while it runs, the latest of each address. */
const DAYS = 7
const DAY_MS = 86_400_000

const COLUMNS: readonly Column<Refusal>[] = [
  {
    ...{ key: 'from', title: 'From', sortBy: ({ peer }) => peer },
    cell: ({ peer, isYou }) => (
      <span className="row wrap">
        <Ip text={peer} />
        {isYou && <span className="tag you">you, right now</span>}
      </span>
    ),
  },
  {
    ...{ key: 'tried', title: 'Tried', className: 'muted full', sortBy: ({ rule }) => rule },
    cell: ({ rule, looksLikeGuessing }) =>
      `${rule === 'login-refused' ? 'to log in here, wrong token or link' : 'to connect or call, wrong token'}${looksLikeGuessing ? '; looks like guessing' : ''}`,
  },
  {
    ...{ key: 'count', title: 'How often', head: 'num', className: 'num c-act', sortBy: ({ count }) => Number(count) },
    cell: ({ count }) => figure(count),
  },
  {
    ...{ key: 'last', title: 'Last', className: 'nowrap muted', sortBy: ({ lastTime }) => millis(lastTime) ?? 0 },
    cell: ({ lastTime }) => moment(millis(lastTime) ?? 0),
  },
]

export function Refused() {
  const [since] = useState(() => timestampFromMs(Date.now() - DAYS * DAY_MS))
  const all = useRefusalsSince(since)
  const startedAt = millis(useLive(live => live.server?.startTime)) ?? 0
  const refusals = useMemo(() => all.filter(({ rule }) => rule.endsWith('-refused')), [all])
  return (
    <Card
      id="rf"
      title="Refused tokens and logins"
      aside={
        <p>
          last {DAYS} days
          {startedAt > Date.now() - DAYS * DAY_MS && `: since pbt-server started, ${moment(startedAt)}`}
        </p>
      }
    >
      {refusals.length === 0 ? (
        <p className="pad muted small">None.</p>
      ) : (
        <Table
          label="Refused tokens and logins"
          rows={refusals}
          columns={COLUMNS}
          keyOf={({ peer, rule }) => `${peer} ${rule}`}
          firstSort="last"
        />
      )}
      <p className="card-foot">
        Each one is also a line that fail2ban can read: <code>journalctl -u pbt-server -g refused</code>
      </p>
    </Card>
  )
}
