// Which record is which: one that is told by a tail has no number yet. No React.
import type { Record as LogRecord } from '@pbt/proto/admin/v1'
import { millis } from '../words/time'

/** The same for a record that is told twice: by the tail, and in a page. */
export function keyOf({ startTime, peer, tunnel, kind, summary, bytesIn, bytesOut, status }: LogRecord): string {
  return [millis(startTime), peer, tunnel, kind, summary, status, bytesIn, bytesOut].join(' ')
}
