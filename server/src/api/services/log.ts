// The access log, as the API has it.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import type { RecordFilter as FilterMessage, LogService, RecordSchema, RefusalSchema } from '@pbt/proto/admin/v1'
import type { AccessRecord } from '../../observe/access-record.ts'
import { MAX_RECORDS_A_PAGE, type Refusal, USUAL_RECORDS_A_PAGE } from '../../owner/log.ts'
import type { Owner } from '../../owner/owner.ts'
import { type RecordFilter, wrongIn } from '../../owner/record-filter.ts'
import { callerOf } from '../caller.ts'
import { dateOf, pageSizeOf, timeField, Violations } from '../values.ts'

const SECOND_US = 1_000_000

/** As the message has them. */
const FIELDS: Readonly<Record<keyof RecordFilter, string>> = {
  tunnel: 'tunnel',
  kinds: 'kinds',
  statuses: 'statuses',
  peer: 'peer',
  text: 'text',
  hasReason: 'with_reason',
}

/** `draining`: aborted when streams have to end. */
export function logService({ log }: Pick<Owner, 'log'>, draining: AbortSignal): ServiceImpl<typeof LogService> {
  return {
    async listRecords({ filter, startTime, endTime, pageSize, pageToken }, { signal }) {
      const query = {
        filter: filterOf(filter),
        from: dateOf('start_time', startTime),
        to: dateOf('end_time', endTime),
        pageSize: pageSizeOf(pageSize, USUAL_RECORDS_A_PAGE, MAX_RECORDS_A_PAGE),
        token: pageToken,
      }
      const { records, next, searchedBackTo } = await log.list(query, signal)
      return {
        records: records.map(recordMessage),
        nextPageToken: next,
        ...timeField('searchedBackTo', searchedBackTo),
      }
    },
    async *tailRecords({ filter }, { signal }) {
      for await (const { records, dropped } of log.tail(filterOf(filter), AbortSignal.any([signal, draining]))) {
        yield { records: records.map(recordMessage), dropped: BigInt(dropped) }
      }
    },
    async listRefusals({ startTime }, context) {
      const { refusals, more } = await log.refusals(dateOf('start_time', startTime))
      const you = callerOf(context).address
      return {
        refusals: refusals.map(refusal => refusalMessage(refusal, you)),
        more: BigInt(more),
      }
    },
  }
}

/** For other services that tell of refusals. `you`: the caller's address. */
export function refusalMessage(
  { count, firstAt, lastAt, ...refusal }: Refusal,
  you: string,
): MessageInitShape<typeof RefusalSchema> {
  return {
    ...refusal,
    count: BigInt(count),
    firstTime: timestampFromMs(firstAt),
    lastTime: timestampFromMs(lastAt),
    isYou: you !== '' && refusal.peer === you,
  }
}

/** For other services that tell of records. */
export function recordMessage(record: AccessRecord): MessageInitShape<typeof RecordSchema> {
  const { id, visitor, startedAt, durationUs, bytesIn, bytesOut, tunnel, kind, summary, status, reason } = record
  return {
    ...{ id: BigInt(id), tunnel, kind, peer: visitor, summary, status, reason },
    startTime: timestampFromMs(startedAt),
    duration: { seconds: BigInt(Math.floor(durationUs / SECOND_US)), nanos: (durationUs % SECOND_US) * 1_000 },
    bytesIn: BigInt(bytesIn),
    bytesOut: BigInt(bytesOut),
  }
}

function filterOf(message: FilterMessage | undefined): RecordFilter {
  if (message === undefined) return {}
  const { tunnel, kinds, statuses, peer, text, withReason } = message
  const filter = { ...(tunnel !== '' && { tunnel }), kinds, statuses, peer, text, hasReason: withReason }
  const wrong = new Violations()
  for (const { field, why } of wrongIn(filter)) wrong.add(`filter.${FIELDS[field]}`, why)
  wrong.check()
  return filter
}
