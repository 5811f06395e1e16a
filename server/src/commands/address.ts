// `pbt-server address`: what visitors come to, and who may visit.
import { Allowlist_Access as Access, type Address, type Allowlist } from '@pbt/proto/admin/v1'
import type { ApiClients } from '../api/client.ts'
import { Failure } from '../failure.ts'
import { withApi } from './api.ts'
import { type Command, durationIn, everyPage, textsIn, timeIn } from './command.ts'
import type { AddressItem } from './events.ts'

const ADDRESS_DOC =
  'a name such as "app", a custom domain, a port such as "tcp:20022", or one of them as pbt shows it, such as "tcp://host:20022"'
const PORTS_DOC = `${ADDRESS_DOC}; "tcp+udp:20022" is both`

/** Instead of blocks. */
const WORDS = { everybody: Access.EVERYBODY, nobody: Access.LISTED, 'as-client': Access.CLIENT } as const

const list: Command = {
  name: 'address list',
  summary: 'list addresses: names, custom domains and ports',
  run: async ({ settings }, output) => {
    output({ list: 'address', items: (await withApi(settings, allAddresses)).map(itemOf) })
  },
}

const reserve: Command = {
  name: 'address reserve',
  summary: 'reserve an address for a tunnel that will ask for it by name',
  positionals: [['<address>', `${PORTS_DOC}; number 0 is the next free port`]],
  options: [{ name: 'note', doc: 'a note for yourself' }],
  run: async ({ settings, values }, output) => {
    const request = { address: String(values.address), note: String(values.note ?? '') }
    const { addresses } = await withApi(settings, api => api.addresses.reserveAddress(request))
    for (const address of addresses) output({ event: 'reserved', ...itemOf(address) })
  },
}

const release: Command = {
  name: 'address release',
  summary: 'release an address: its tunnel loses it, its allowlist is deleted, any tunnel may take it',
  positionals: [['<address>', PORTS_DOC]],
  run: async ({ settings, values }, output) => {
    const request = { address: String(values.address) }
    const { addresses } = await withApi(settings, api => api.addresses.releaseAddress(request))
    for (const address of addresses) output({ event: 'released', ...itemOf(address) })
  },
}

const map: Command = {
  name: 'address map',
  summary: 'assign an address to a tunnel, at once and permanently; without a tunnel: unassign it',
  positionals: [
    ['<address>', PORTS_DOC],
    ['[tunnel]', 'its name, as "pbt-server tunnel list" shows it'],
  ],
  run: async ({ settings, values }, output) => {
    const request = { address: String(values.address), tunnel: String(values.tunnel ?? '') }
    const { addresses } = await withApi(settings, api => api.addresses.mapAddress(request))
    for (const address of addresses) output({ event: 'mapped', ...itemOf(address) })
  },
}

const note: Command = {
  name: 'address note',
  summary: 'set the note of an address; without text: remove it',
  positionals: [
    ['<address>', ADDRESS_DOC],
    ['[words..]', 'the note'],
  ],
  run: async ({ settings, values }, output) => {
    const request = { address: String(values.address), note: textsIn(values.words).join(' ') }
    const { address } = await withApi(settings, api => api.addresses.setNote(request))
    if (address !== undefined) output({ event: 'noted', ...itemOf(address) })
  },
}

const allow: Command = {
  name: 'address allow',
  summary: 'show or set who may visit an address, whichever tunnel has it',
  positionals: [
    ['[address]', `${ADDRESS_DOC}; without one: show all lists`],
    [
      '[block..]',
      'the addresses and CIDR blocks that may visit from now on; "everybody"; "nobody"; or "as-client" for what --allow of the client says. Without any: show the list',
    ],
  ],
  options: [
    { name: 'add', doc: 'an address or CIDR block to allow as well' },
    { name: 'remove', doc: 'one to remove from the list' },
    { name: 'for', doc: 'how long added entries are valid, for example 8h or 30m; without it: permanently' },
    { name: 'note', doc: 'a note for the added entries' },
  ],
  run: async ({ settings, values }, output) => {
    const { address, ...rest } = values
    const changes = changesIn(rest)
    if (address === undefined) {
      if (changes.length > 0)
        throw new Failure('usage', 'which address?', { cure: 'for example: pbt-server allow app --add 203.0.113.7' })
      const addresses = (await withApi(settings, allAddresses)).map(itemOf)
      output({ list: 'allowlist', items: addresses.filter(({ access }) => access !== 'client') })
      return
    }
    const text = String(address)
    const after = await withApi(settings, async api => {
      let after: Address | undefined
      for (const change of changes) after = await change(api, text)
      return after ?? (await heldAt(api, text))
    })
    output({ list: 'allowlist', items: [itemOf(after)] })
  },
}

/** Every subcommand of `pbt-server address`; `allow` is there under a short name too. */
export const ADDRESS_COMMANDS: readonly Command[] = [
  list,
  reserve,
  release,
  map,
  note,
  allow,
  { ...allow, name: 'allow', summary: 'show or set who may visit an address (short for "address allow")' },
]

type Change = (api: ApiClients, address: string) => Promise<Address | undefined>

/** Throws Failure `usage`. */
function changesIn(values: Readonly<Record<string, unknown>>): Change[] {
  const [blocks, added, removed] = [textsIn(values.block), textsIn(values.add), textsIn(values.remove)]
  const word = Object.entries(WORDS).find(([word]) => blocks.includes(word))
  if (word !== undefined && blocks.length > 1) {
    throw new Failure('usage', `"${word[0]}" cannot be combined with blocks`, {
      cure: `give either "${word[0]}" or blocks`,
    })
  }
  if (blocks.length > 0 && added.length + removed.length > 0) {
    throw new Failure('usage', 'a whole list cannot be combined with --add or --remove', {
      cure: 'give either all blocks that may visit, or what to add and to remove',
    })
  }
  if ([...blocks, ...added, ...removed].includes('me')) {
    throw new Failure('usage', '"me" is known only to "pbt allow", on a machine with a tunnel', {
      cure: 'run "pbt allow NAME me" there, or give the IP address of the visitor here',
    })
  }
  if (added.length === 0 && (values.for !== undefined || values.note !== undefined)) {
    throw new Failure('usage', '--for and --note need --add', {
      cure: 'for example: pbt-server allow app --add 203.0.113.7 --for 8h',
    })
  }
  if (word !== undefined) return [setTo({ access: word[1], entries: [] })]
  if (blocks.length > 0) return [setTo({ access: Access.LISTED, entries: blocks.map(block => ({ block })) })]
  const entry = { note: String(values.note ?? ''), ...durationIn('for', values.for) }
  return [...added.map(block => adding({ block, ...entry })), ...removed.map(removing)]
}

function setTo(allowlist: { access: Access; entries: { block: string }[] }): Change {
  return async ({ addresses }, address) => (await addresses.setAllowlist({ address, allowlist })).address
}

function adding(entry: { block: string; note: string }): Change {
  return async ({ addresses }, address) => {
    const { address: after, isAdded } = await addresses.allowPeer({ address, ...entry })
    if (isAdded) return after
    throw new Failure('usage', `everybody may visit "${address}": there is no list to add to`, {
      cure: `give those who may visit from now on: pbt-server allow ${address} BLOCK...`,
    })
  }
}

function removing(block: string): Change {
  return async ({ addresses }, address) => (await addresses.removePeer({ address, block })).address
}

async function heldAt(api: ApiClients, address: string): Promise<Address> {
  const { checks } = await api.addresses.checkAddress({ address })
  const [held] = checks.flatMap(check => check.held ?? [])
  if (held !== undefined) return held
  throw new Failure(
    'unknown-address',
    `the address "${checks[0]?.address ?? address}" is not kept: no tunnel has or had it`,
    {
      cure: '"pbt-server address list" shows those that are',
    },
  )
}

async function allAddresses({ addresses }: ApiClients): Promise<Address[]> {
  return await everyPage(async pageToken => {
    const page = await addresses.listAddresses({ pageSize: 1_000, pageToken })
    return { rows: page.addresses, nextPageToken: page.nextPageToken }
  })
}

function itemOf(address: Address): AddressItem {
  const { tunnel, target, isInUse, isMapped, note, allowlist, createTime, lastUsedTime } = address
  const { access, entries } = listIn(allowlist)
  return {
    address: address.address,
    ...(tunnel === '' ? {} : { tunnel }),
    ...(isMapped ? { isMapped } : {}),
    ...(target === '' ? {} : { target }),
    isExpected: isInUse,
    access,
    allow: entries,
    ...(note === '' ? {} : { note }),
    createdAt: timeIn(createTime) ?? new Date(0),
    ...(lastUsedTime && { lastUsedAt: timeIn(lastUsedTime) }),
  }
}

function listIn(list: Allowlist | undefined): { access: AddressItem['access']; entries: string[] } {
  const entries = list?.entries.map(({ block }) => block) ?? []
  if (list?.access === Access.LISTED) return { access: 'listed', entries }
  if (list?.access === Access.EVERYBODY) return { access: 'everybody', entries: [] }
  return { access: 'client', entries: list?.clientBlocks ?? [] }
}
