// Numbers with the words that belong to them.
import type { ChannelKind } from '@pbt/proto'

const NOUN: Readonly<Record<ChannelKind, string>> = { http: 'request', tcp: 'connection', udp: 'flow' }
const KINDS: readonly ChannelKind[] = ['http', 'tcp', 'udp']

/** `1 connection`, `2 requests`. */
export function countOf(count: number, kind: ChannelKind): string {
  return plural(count, NOUN[kind])
}

/** `1 datagram`, `2 datagrams`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `12 requests, 1 connection`: of the kinds that there are. */
export function countsOf(counts: Iterable<{ readonly kind: ChannelKind; readonly count: number }>): string {
  const sums = new Map<ChannelKind, number>()
  for (const { kind, count } of counts) sums.set(kind, (sums.get(kind) ?? 0) + count)
  return KINDS.flatMap(kind => {
    const sum = sums.get(kind)
    return sum === undefined ? [] : [countOf(sum, kind)]
  }).join(', ')
}
