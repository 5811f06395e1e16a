'use client'
import { EventList } from '../components/events'
import { Card } from '../components/parts'
import { useLive } from '../live/live'
import { eventLines } from '../words/events'
import { millis } from '../words/time'

const SHOWN = 8

/** What happened today, the newest first. */
export function Today() {
  const events = useLive(live => live.events) ?? []
  const midnight = new Date().setHours(0, 0, 0, 0)
  const lines = eventLines(
    events.filter(({ time }) => (millis(time) ?? 0) >= midnight),
    SHOWN,
  )
  return (
    <Card id="ev" title="Today">
      <div className="pad">
        {lines.length === 0 ? <p className="muted small">Nothing yet.</p> : <EventList lines={lines} />}
      </div>
    </Card>
  )
}
