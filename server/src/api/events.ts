// Events as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { EventSchema } from '@pbt/proto/admin/v1'
import type { KeptEvent } from '../owner/event.ts'

/** The message of the API for one kept event; nothing of it is left out. */
export function eventMessage(event: KeptEvent): MessageInitShape<typeof EventSchema> {
  const { number, at, kind, subject, message, fields } = event
  return { number: BigInt(number), time: timestampFromDate(at), kind, subject, message, fields }
}
