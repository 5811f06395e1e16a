// The filtered records as a file, one JSON object a line.
import { createClient } from '@connectrpc/connect'
import { LogService } from '@pbt/proto/admin/v1'
import { transport } from '../live/transport'
import { timestamp } from './feed'
import type { Filter } from './filter'
import { jsonOf } from './words'

const PAGE = 1_000
/** More is what "pbt-server log --json" is for. */
export const MOST = 100_000

const logs = createClient(LogService, transport)

/** Asks for all pages, at most `MOST` records, and hands the file to the browser. Tells how many; rejects as questions do. */
export async function exportRecords(filter: Filter, start: number, end: number): Promise<number> {
  const lines: string[] = []
  let pageToken = ''
  do {
    const { records, nextPageToken } = await logs.listRecords({
      filter: filter.asked,
      startTime: timestamp(start),
      ...(pageToken === '' && { endTime: timestamp(end) }),
      pageSize: PAGE,
      pageToken,
    })
    for (const record of records) if (filter.judge?.(record) !== false) lines.push(jsonOf(record))
    pageToken = nextPageToken
  } while (pageToken !== '' && lines.length < MOST)
  const url = URL.createObjectURL(new Blob([lines.map(line => `${line}\n`).join('')], { type: 'application/jsonl' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `pbt-${new Date(end).toISOString().slice(0, 19).replaceAll(':', '')}.jsonl`
  link.click()
  URL.revokeObjectURL(url)
  return lines.length
}
