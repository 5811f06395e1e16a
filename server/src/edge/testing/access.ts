// An access log and limits for tests that are about something else.
import type { AddressUse } from '../../access/address-use.ts'
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

export const NO_LIMIT: AddressUse = {
  began: () => true,
  ended: ignore,
  isSmall: true,
  isCrowded: false,
  crowd: 0,
  hold: () => true,
  release: ignore,
}
