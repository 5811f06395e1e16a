// What this tab knew last, so that a page that is loaded anew has something to show, greyed and dated, before the first word of the
// server. It goes with the tab, and with the session.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire'
import { SnapshotSchema } from '@pbt/proto/admin/v1'
import { fromSnapshot, type Live } from './state'

const KEY = 'pbt-last'
/** Written by another panel it may mean something else. */
const BUILD = process.env.NEXT_PUBLIC_PBT_BUILD ?? ''

/** What was known, and when, milliseconds. */
export interface Last {
  readonly live: Live
  readonly heardAt: number
}

/** Keeps it for the next load of a page in this tab. */
export function keepLast({ live, heardAt }: Last): void {
  const { tunnels, clients, addresses, domains, tokens, refusals, server, events } = live
  const lists = { tunnels, clients, addresses, domains }
  const all = Object.fromEntries(Object.entries(lists).map(([name, map]) => [name, [...map.values()]]))
  const snapshot = create(SnapshotSchema, {
    ...all,
    ...{ tokens: [...tokens], refusals: [...refusals], events: [...events], ...(server && { server }) },
  })
  try {
    sessionStorage.setItem(KEY, `${BUILD} ${heardAt} ${base64Encode(toBinary(SnapshotSchema, snapshot))}`)
  } catch {
    // A browser that keeps nothing, or not so much: the next page waits for the server.
    forgetLast()
  }
}

/** Undefined when nothing is kept, or what is kept makes no sense. The event number is 0: the server tells all anew. */
export function readLast(): Last | undefined {
  try {
    const [build, heardAt, text] = sessionStorage.getItem(KEY)?.split(' ') ?? []
    if (build !== BUILD || heardAt === undefined || text === undefined) return undefined
    const live = fromSnapshot(undefined, fromBinary(SnapshotSchema, base64Decode(text)))
    return { live: { ...live, number: 0n }, heardAt: Number(heardAt) }
  } catch {
    return undefined
  }
}

/** Nobody else is to see it. */
export function forgetLast(): void {
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // Nothing is kept.
  }
}
