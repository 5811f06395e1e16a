// Addresses, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import {
  Allowlist_Access as Access,
  type AddressSchema,
  type AddressService,
  type Allowlist,
  type AllowlistSchema,
  type ConnectionSchema,
} from '@pbt/proto/admin/v1'
import type { KeptAddress, KeptList, LiveConnection } from '../../owner/addresses.ts'
import { checkBlock } from '../../owner/allowlist.ts'
import type { Owner } from '../../owner/owner.ts'
import { millisecondsOf, pageOf, textOf, timeField, Violations } from '../values.ts'

/** What is cut is told in full up to as many. */
const MAX_CUT = 100
const YEAR_MS = 366 * 24 * 3_600_000

/** Messages of the API over `addresses` of the owner, which does the work. */
export function addressService({
  addresses,
  urlOf,
}: Pick<Owner, 'addresses' | 'urlOf'>): ServiceImpl<typeof AddressService> {
  const messageOf = (kept: KeptAddress) => addressMessage(kept, urlOf(kept.address))
  return {
    async listAddresses(request) {
      const { rows, nextPageToken } = pageOf(await addresses.list(), request, ({ address }) => address)
      return { addresses: rows.map(messageOf), nextPageToken }
    },
    async checkAddress({ address }) {
      const checks = await addresses.check(textOf('address', address))
      return { checks: checks.map(({ held, ...check }) => ({ ...check, ...(held && { held: messageOf(held) }) })) }
    },
    async reserveAddress({ address, note, validateOnly }) {
      const reserved = await addresses.reserve(textOf('address', address), { note, isDry: validateOnly })
      return { addresses: reserved.map(messageOf) }
    },
    async releaseAddress({ address }) {
      return { addresses: (await addresses.release(textOf('address', address))).map(messageOf) }
    },
    async mapAddress({ address, tunnel }) {
      return { addresses: (await addresses.map(textOf('address', address), tunnel)).map(messageOf) }
    },
    async setAllowlist({ address, allowlist, validateOnly }) {
      const text = textOf('address', address)
      const list = listOf(allowlist)
      const cut = await addresses.cutBy(text, list)
      const after = validateOnly ? await addresses.get(text) : await addresses.setList(text, list)
      return { address: messageOf(after), cut: cut.slice(0, MAX_CUT).map(connectionMessage), cutCount: cut.length }
    },
    async allowPeer({ address, block, note, duration }) {
      const wrong = new Violations()
      wrong.read('address', () => addresses.textOf(address))
      wrong.read('block', () => checkBlock(block))
      wrong.check()
      const ms = millisecondsOf('duration', duration, 1_000, YEAR_MS)
      const endsAt = ms === undefined ? undefined : new Date(Date.now() + ms)
      const entry = { block, note, endsAt }
      const { address: after, isAdded } = await addresses.allowPeer(textOf('address', address), entry)
      return { address: messageOf(after), isAdded }
    },
    async removePeer({ address, block }) {
      const wrong = new Violations()
      wrong.read('address', () => addresses.textOf(address))
      wrong.read('block', () => checkBlock(block))
      wrong.check()
      return { address: messageOf(await addresses.allow(address, { kind: 'remove', blocks: [block] })) }
    },
    async setNote({ address, note }) {
      return { address: messageOf(await addresses.setNote(textOf('address', address), note)) }
    },
  }
}

/** For other services that tell of addresses. */
export function addressMessage(kept: KeptAddress, url: string): MessageInitShape<typeof AddressSchema> {
  const { address, tunnel, isMapped, target, isExpected, note, createdAt, lastUsedAt } = kept
  return {
    ...{ address, url, tunnel, isMapped, target, isInUse: isExpected, note },
    holder: tunnel === '' ? '' : `${tunnel}${target === '' ? '' : ` (${target})`}`,
    allowlist: listMessage(kept),
    createTime: timestampFromDate(createdAt),
    ...timeField('lastUsedTime', lastUsedAt),
  }
}

/** Who may visit. */
export function listMessage(
  list: KeptList & { readonly clientBlocks: readonly string[] },
): MessageInitShape<typeof AllowlistSchema> {
  return {
    access: { client: Access.CLIENT, everybody: Access.EVERYBODY, listed: Access.LISTED }[list.access],
    entries: list.entries.map(({ block, note, endsAt }) => ({ block, note, ...timeField('endTime', endsAt) })),
    clientBlocks: [...list.clientBlocks],
  }
}

/** What is open. */
export function connectionMessage(open: LiveConnection): MessageInitShape<typeof ConnectionSchema> {
  const { startedAt, bytesIn, bytesOut, ...rest } = open
  return { ...rest, startTime: timestampFromDate(startedAt), bytesIn: BigInt(bytesIn), bytesOut: BigInt(bytesOut) }
}

const NAMES = new Map<number | undefined, KeptList['access']>([
  [Access.CLIENT, 'client'],
  [Access.EVERYBODY, 'everybody'],
  [Access.LISTED, 'listed'],
])

function listOf(allowlist: Allowlist | undefined): KeptList {
  const wrong = new Violations()
  const { access: number, entries = [] } = allowlist ?? {}
  const access = NAMES.get(number)
  if (access === undefined) {
    wrong.add('allowlist.access', 'it is missing; use ACCESS_CLIENT, ACCESS_EVERYBODY or ACCESS_LISTED')
  }
  const read = entries.map(({ block, note, endTime }, index) => {
    wrong.read(`allowlist.entries[${index}].block`, () => checkBlock(block))
    return { block, note, endsAt: endTime === undefined ? undefined : timestampDate(endTime) }
  })
  wrong.check()
  return { access: access ?? 'client', entries: read }
}
