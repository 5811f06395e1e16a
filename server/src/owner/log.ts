// What the owner may ask the access log: what visitors did, page by page or as it comes, and who was turned away.
import { Allowlist } from '../access/allowlist.ts'
import { nearestEntry } from '../access/nearest-entry.ts'
import { Failure } from '../failure.ts'
import type { AccessRecord } from '../observe/access-record.ts'
import type { TailPage } from '../observe/record-tail.ts'
import type { RefusalGroup, RefusalList } from '../observe/refusals.ts'
import type { KeptAddress } from './addresses.ts'
import { pageToken, positionIn } from './page-token.ts'
import { matcherOf, type RecordFilter } from './record-filter.ts'
import type { KeptRecords } from './record-search.ts'

/** What a running server sees as it happens. */
export interface LiveRecords {
  watch(matches: (record: AccessRecord) => boolean, signal: AbortSignal): AsyncIterable<TailPage>
  readonly watchers: number
}

/** What a running server knows that is not written yet. */
export interface LiveLog {
  readonly records: LiveRecords
  readonly refusals: { since(at: number): RefusalList }
}

/** The records that are kept, and those that a running server sees. */
export interface LogVerbsOptions {
  readonly records: KeptRecords
  /** Undefined: no server runs here. */
  readonly live: LiveLog | undefined
  readonly addresses: () => Promise<readonly KeptAddress[]>
}

/** Which records; without anything the newest ones. */
export interface ListQuery {
  readonly filter?: RecordFilter
  readonly from?: Date
  readonly to?: Date
  /** At most MAX_RECORDS_A_PAGE. */
  readonly pageSize?: number
  /** `next` of the page before, of the same search. */
  readonly token?: string
}

/** Newest first; `next` is the token for the following page. */
export interface RecordPage {
  readonly records: readonly AccessRecord[]
  /** Empty: there are no more. */
  readonly next: string
  readonly searchedBackTo: Date | undefined
}

/** Who was turned away, with what helps to let them in. */
export interface Refusal extends RefusalGroup {
  /** The entry of the allowlist that is most like the peer, '' for none. */
  readonly nearestEntry: string
  /** The address to allow the peer on, '' where that is of no use. */
  readonly address: string
}

/** Groups of refusals, and how many are in none. */
export interface RefusalPage {
  readonly refusals: readonly Refusal[]
  /** Refusals that are in no group, since the start: there were too many. */
  readonly more: number
}

/** A larger page is Failure `usage`. */
export const MAX_RECORDS_A_PAGE = 1_000
/** When the query does not say. */
export const USUAL_RECORDS_A_PAGE = 100
/** Who watches at once; each costs the thread of the traffic up to 2 %. */
const MAX_WATCHERS = 20
/** Refusals are listed of so long, milliseconds, unless one says otherwise. */
const LATELY_MS = 3_600_000

/** Reads only. */
export class LogVerbs {
  private readonly options: LogVerbsOptions

  constructor(options: LogVerbsOptions) {
    this.options = options
  }

  /**
   * The newest first. A page may be short or empty and still have a token: its time was over. Rejects with Failure `usage` for
   * a filter or token that cannot be used, with what the database says, and when `signal` was aborted before its turn came.
   */
  async list(
    { filter = {}, from, to, pageSize = USUAL_RECORDS_A_PAGE, token }: ListQuery,
    signal?: AbortSignal,
  ): Promise<RecordPage> {
    matcherOf(filter)
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_RECORDS_A_PAGE) {
      throw new Failure('usage', `a page has 1 to ${MAX_RECORDS_A_PAGE} records`, { cure: 'ask for fewer at a time' })
    }
    const span = { ...(from && { from: from.getTime() }), ...(to && { to: to.getTime() }) }
    const search = { filter, ...span }
    const position = token === undefined || token === '' ? undefined : positionIn(token, search)
    if (token !== undefined && token !== '' && position === undefined) {
      throw new Failure('usage', 'the page token is not of this search', {
        cure: 'send it unchanged with the same filter and times, or leave it out to start again',
      })
    }
    const found = await this.options.records.search({ ...search, pageSize, ...(position && { position }) }, signal)
    return {
      records: found.records,
      next: found.next === undefined ? '' : pageToken(found.next, search),
      searchedBackTo: found.searchedBackTo === undefined ? undefined : new Date(found.searchedBackTo),
    }
  }

  /**
   * Records as they come, first an empty page, until `signal` or the end of the server. Throws Failure `usage` for a filter that
   * cannot be used, `not-running` without a running server, and `limited`.
   */
  tail(filter: RecordFilter, signal: AbortSignal): AsyncIterable<TailPage> {
    const { fits } = matcherOf(filter)
    const { records } = this.live()
    if (records.watchers >= MAX_WATCHERS) {
      throw new Failure('limited', `${MAX_WATCHERS} watch the access log already, the maximum`, {
        cure: 'end another one',
      })
    }
    return records.watch(fits, signal)
  }

  /** Who was turned away at this time or later, the last first; undefined: in the last hour. Rejects with Failure `not-running`. */
  async refusals(since?: Date): Promise<RefusalPage> {
    const { groups, unlisted } = this.live().refusals.since(since?.getTime() ?? Date.now() - LATELY_MS)
    const isListNeeded = groups.some(({ rule }) => rule === 'not-allowed')
    const addresses = isListNeeded ? await this.options.addresses() : []
    const byTunnel = Map.groupBy(addresses, ({ tunnel }) => tunnel)
    return {
      refusals: groups.map(group => ({ ...group, ...cureOf(group, byTunnel.get(group.tunnel) ?? []) })),
      more: unlisted,
    }
  }

  private live() {
    const { live } = this.options
    if (live === undefined) {
      throw new Failure('not-running', 'no server runs on this data directory', {
        cure: 'start it with "pbt-server start"',
      })
    }
    return live
  }
}

/** Where the peer would have to be allowed: all lists of a tunnel's addresses have to have it, so the first that can be to blame. */
function cureOf({ rule, peer }: RefusalGroup, addresses: readonly KeptAddress[]) {
  if (rule !== 'not-allowed') return { address: '', nearestEntry: '' }
  const listed = addresses.filter(({ access }) => access === 'listed')
  const toBlame =
    listed.find(kept => !new Allowlist(blocksOf(kept)).allows(peer)) ??
    addresses.find(({ access }) => access === 'client')
  if (toBlame === undefined) return { address: '', nearestEntry: '' }
  const entries = toBlame.access === 'listed' ? blocksOf(toBlame) : toBlame.clientBlocks
  return { address: toBlame.address, nearestEntry: nearestEntry(entries, peer) }
}

function blocksOf({ entries }: KeptAddress): string[] {
  return entries.map(({ block }) => block)
}
