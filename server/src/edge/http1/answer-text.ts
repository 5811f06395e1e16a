// HTTP/1 answers as text, octets as latin1: what the edge writes to a visitor.
import { STATUS_CODES } from 'node:http'
import type { HeaderList } from '@pbt/proto'

/** Status line and fields, with the empty line. Names and values have been checked by the codec, or are the edge's own. */
export function headText(status: number, reason: string, headers: HeaderList, more = ''): string {
  let text = `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}\r\n`
  for (let index = 0; index + 1 < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${text}${more}\r\n`
}

/** The last chunk with its trailers. */
export function lastChunkText(trailers: HeaderList | undefined): string {
  let text = '0\r\n'
  if (trailers !== undefined) {
    for (let index = 0; index + 1 < trailers.length; index += 2)
      text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
  }
  return `${text}\r\n`
}

let date = ''
let dateEnds = 0

/** A Date field with its line break, for answers that have none (RFC 9110 section 6.6.1). */
export function dateLine(): string {
  const now = Date.now()
  if (now >= dateEnds) {
    dateEnds = now - (now % 1000) + 1000
    date = `date: ${new Date(now).toUTCString()}\r\n`
  }
  return date
}
