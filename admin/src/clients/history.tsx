'use client'
// What happened to the machines, day by day, the newest first.
import type { Client, Event } from '@pbt/proto/admin/v1'
import { keepPreviousData, useQueries } from '@tanstack/react-query'
import { useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { EventList } from '../components/events'
import { Card } from '../components/parts'
import { Segments } from '../components/segments'
import { useLive } from '../live/live'
import { clients as service } from '../live/services'
import { eventLines } from '../words/events'
import { day, millis } from '../words/time'

const PAGE = 60
/** As many as are told apart by a button each. */
const BUTTONS = 4

export function ClientHistory({ clients }: { clients: readonly Client[] }) {
  const [named, setChosen] = useParam('client', 'all')
  const chosen = clients.some(({ id }) => id === named) ? named : 'all'
  const [shown, setShown] = useState(PAGE)
  const newest = useLive(live => live.events.find(({ kind }) => /^(client|tunnel)\./.test(kind))?.number) ?? 0n
  const wanted = clients.filter(({ id }) => chosen === 'all' || id === chosen).slice(0, 10)
  const histories = useQueries({
    // Another event is the reason to ask again.
    queries: wanted.map(({ id }) => ({
      queryKey: ['history', id, shown, String(newest)],
      queryFn: () => service.getClient({ id, pageSize: Math.min(1_000, shown) }),
      ...{ placeholderData: keepPreviousData, gcTime: 0 },
    })),
  })
  const events = histories
    .flatMap(({ data }) => data?.history ?? [])
    .toSorted((left, right) => Number(right.number - left.number))
  const days = byDay(events.slice(0, shown))
  return (
    <Card
      id="hi"
      title="History"
      aside={
        clients.length > 1 &&
        clients.length <= BUTTONS && (
          <Segments
            label="Of which machine"
            className="push"
            value={chosen}
            onChange={setChosen}
            choices={[{ value: 'all', label: 'All' }, ...clients.map(({ id, label }) => ({ value: id, label }))]}
          />
        )
      }
    >
      <div className="pad history">
        {days.length === 0 && <p className="muted small">Nothing is kept.</p>}
        {days.map(([name, those]) => (
          <div className="stack-sm day-block" key={name}>
            <h3 className="day">{name}</h3>
            <EventList withSeconds lines={eventLines(those, shown)} />
          </div>
        ))}
        <p className="gap-top">
          {events.length >= shown && (
            <Button small onClick={() => setShown(shown + PAGE)}>
              Older
            </Button>
          )}{' '}
          <span className="small faint">kept for 30 days</span>
        </p>
      </div>
    </Card>
  )
}

function byDay(events: readonly Event[]): readonly (readonly [string, readonly Event[]])[] {
  const days = new Map<string, Event[]>()
  const today = day(Date.now())
  const yesterday = day(Date.now() - 24 * 3_600_000)
  for (const event of events) {
    const date = day(millis(event.time) ?? 0)
    const name = date === today ? 'Today' : date === yesterday ? 'Yesterday' : date
    days.set(name, [...(days.get(name) ?? []), event])
  }
  return [...days]
}
