// `pbt-server address`: what visitors come to, and who may. A running server goes by it within a second.
import { Failure } from '../failure.ts'
import { withOwner } from '../offline.ts'
import type { KeptAddress, ListChange } from '../owner/addresses.ts'
import { type Command, textsIn } from './command.ts'
import type { AddressItem } from './output.ts'

const ADDRESS_DOC =
  'a name such as "app", a custom domain, a port such as "tcp:20022", or one of them as pbt shows it, such as "tcp://host:20022"'

/** Instead of blocks. */
const WORDS = ['everybody', 'nobody', 'as-client'] as const

const list: Command = {
  name: 'address list',
  summary: 'show all addresses that are kept: names, custom domains and ports',
  run: async ({ config }, output) => {
    const addresses = await withOwner(config, owner => owner.addresses.list())
    output({ list: 'address', items: addresses.map(itemOf) })
  },
}

const reserve: Command = {
  name: 'address reserve',
  summary: 'keep an address for a tunnel that is to come; it asks for it by name',
  positionals: [['<address>', ADDRESS_DOC]],
  run: async ({ config, values }, output) => {
    for (const address of await withOwner(config, owner => owner.addresses.reserve(String(values.address))))
      output({ event: 'reserved', ...itemOf(address) })
  },
}

const release: Command = {
  name: 'address release',
  summary: 'give up an address: a tunnel that has it loses it, its allowlist is forgotten, any tunnel may take it',
  positionals: [['<address>', ADDRESS_DOC]],
  run: async ({ config, values }, output) => {
    for (const address of await withOwner(config, owner => owner.addresses.release(String(values.address))))
      output({ event: 'released', ...itemOf(address) })
  },
}

const allow: Command = {
  name: 'address allow',
  summary: 'show or set who may visit an address, whichever tunnel has it',
  positionals: [
    ['[address]', `${ADDRESS_DOC}. None: show all lists that are set`],
    [
      '[block..]',
      'the addresses and CIDR blocks that may visit from now on; "everybody"; "nobody"; or "as-client" for what the client says with --allow. None: show the list',
    ],
  ],
  options: [
    { name: 'add', doc: 'an address or CIDR block that may visit too' },
    { name: 'remove', doc: 'one that may no longer visit' },
  ],
  run: async ({ config, values }, output) => {
    const changes = changesIn(textsIn(values.block), textsIn(values.add), textsIn(values.remove))
    const { address } = values
    if (address === undefined) {
      if (changes.length > 0)
        throw new Failure('usage', 'which address?', { cure: 'for example: pbt-server allow app --add 203.0.113.7' })
      const addresses = await withOwner(config, owner => owner.addresses.list())
      output({ list: 'allowlist', items: addresses.filter(({ access }) => access !== 'client').map(itemOf) })
      return
    }
    const after = await withOwner(config, async ({ addresses }) => {
      let after: KeptAddress | undefined
      for (const change of changes) after = await addresses.allow(String(address), change)
      return after ?? (await addresses.get(String(address)))
    })
    output({ list: 'allowlist', items: [itemOf(after)] })
  },
}

export const ADDRESS_COMMANDS: readonly Command[] = [
  list,
  reserve,
  release,
  allow,
  { ...allow, name: 'allow', summary: 'show or set who may visit an address (short for "address allow")' },
]

/** Throws Failure `usage`. */
function changesIn(blocks: readonly string[], added: readonly string[], removed: readonly string[]): ListChange[] {
  const word = WORDS.find(word => blocks.includes(word))
  if (word !== undefined && blocks.length > 1) {
    throw new Failure('usage', `"${word}" stands alone, it cannot be given beside blocks`, {
      cure: `give either "${word}" or blocks`,
    })
  }
  if (blocks.length > 0 && added.length + removed.length > 0) {
    throw new Failure('usage', 'a whole list cannot be given together with --add or --remove', {
      cure: 'give either all blocks that may visit, or what to add and to remove',
    })
  }
  if (word !== undefined) return [{ kind: word }]
  if (blocks.length > 0) return [{ kind: 'set', blocks }]
  return [
    ...(added.length > 0 ? [{ kind: 'add', blocks: added } as const] : []),
    ...(removed.length > 0 ? [{ kind: 'remove', blocks: removed } as const] : []),
  ]
}

function itemOf(address: KeptAddress): AddressItem {
  const { tunnel, target, isExpected, access, entries, clientBlocks, note, createdAt, lastUsedAt } = address
  return {
    address: address.address,
    ...(tunnel === '' ? {} : { tunnel }),
    ...(target === '' ? {} : { target }),
    isExpected,
    access,
    allow: access === 'client' ? clientBlocks : entries.map(({ block }) => block),
    ...(note === '' ? {} : { note }),
    createdAt,
    ...(lastUsedAt && { lastUsedAt }),
  }
}
