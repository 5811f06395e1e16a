// Time, mark, what happened.

import type { EventLine } from '../words/events'
import { clock, clockWithSeconds } from '../words/time'
import { Mark } from './icon'

export function EventList({ lines, withSeconds = false }: { lines: readonly EventLine[]; withSeconds?: boolean }) {
  return (
    <ol className={`events ${withSeconds ? 'long' : ''}`}>
      {lines.map(({ key, at, mark, tone, text }) => (
        <li key={key}>
          <time dateTime={new Date(at).toISOString()}>{withSeconds ? clockWithSeconds(at) : clock(at)}</time>
          <Mark name={mark} tone={tone} />
          <div>{text}</div>
        </li>
      ))}
    </ol>
  )
}
