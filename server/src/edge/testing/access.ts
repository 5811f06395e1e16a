// An access log for tests that are about something else.
import type { AccessSink } from '../../observe/access-log.ts'

const ignore = () => {}

export const IGNORED: AccessSink = {
  now: () => 0,
  ended: ignore,
  refused: ignore,
  datagramDropped: ignore,
  datagramRefused: ignore,
  flowEvicted: ignore,
}
