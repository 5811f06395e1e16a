// `pbt-server allow`: who may visit a tunnel. A running server goes by it within a second.
import { PbtError } from '@pbt/proto'
import { Allowlist } from '../access/allowlist.ts'
import { loadConfig } from '../config.ts'
import { Failure } from '../failure.ts'
import { parseHostname } from '../relay/names.ts'
import type { Address } from '../store/allowlists.ts'
import { openStore } from '../store/store.ts'
import type { Command } from './command.ts'

/** Instead of blocks. */
const EVERYBODY = 'everybody'
const AS_CLIENT = 'as-client'

export const allow: Command = {
  name: 'allow',
  summary: 'show or set who may visit a tunnel, also while it runs',
  positionals: [
    ['[address]', 'a name such as "app", or a port such as "tcp:20022"; none: show all lists that are set'],
    [
      '[block..]',
      `the addresses and CIDR blocks that may visit from now on; "${EVERYBODY}"; or "${AS_CLIENT}" for what the client says with --allow. None: show the list`,
    ],
  ],
  run: async ({ config: file, flags, values }, output) => {
    const { dataDir, baseDomain } = loadConfig(file, flags)
    const blocks = Array.isArray(values.block) ? values.block.map(String) : []
    const address = values.address === undefined ? undefined : addressIn(String(values.address), baseDomain)
    const entries = entriesIn(blocks)
    const store = await openStore(dataDir)
    try {
      const { allowlists } = store
      if (address === undefined) {
        output({ event: 'allowlists', lists: (await allowlists.listed()).map(shown) })
        return
      }
      const tunnel = blocks.length === 0 ? await allowlists.find(address) : await allowlists.set(address, entries)
      if (tunnel === undefined) throw unknown(String(values.address))
      output({ event: 'allowlists', lists: [shown(tunnel)] })
    } finally {
      await store.close()
    }
  },
}

function shown({ addresses, entries }: { addresses: readonly string[]; entries: readonly string[] | undefined }) {
  return entries === undefined ? { addresses } : { addresses, allow: entries }
}

/** Undefined: as the client says. Throws Failure `usage`. */
function entriesIn(blocks: readonly string[]): readonly string[] | undefined {
  const word = blocks.find(block => block === EVERYBODY || block === AS_CLIENT)
  if (word === undefined) {
    readable(() => new Allowlist(blocks))
    return blocks
  }
  if (blocks.length > 1) {
    throw new Failure('usage', `"${word}" stands alone, it cannot be given beside blocks`, {
      cure: `give either "${word}" or blocks`,
    })
  }
  return word === EVERYBODY ? [] : undefined
}

function addressIn(text: string, baseDomain: string): Address {
  const [, protocol, digits] = /^(tcp|udp):(\d{1,5})$/.exec(text) ?? []
  if (protocol !== undefined) return { protocol, number: Number(digits) }
  const { label } = readable(() => parseHostname(text, baseDomain))
  if (label === undefined) throw unknown(text)
  return { label }
}

/** What the reader reads; what is wrong in it is wrong usage. */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PbtError) throw new Failure('usage', error.message, { cure: error.cure, cause: error })
    throw error
  }
}

function unknown(address: string): Failure {
  return new Failure('unknown-address', `no tunnel has the address "${address}"`, {
    cure: 'give a name such as "app" or a port such as "tcp:20022" that a tunnel has or had',
  })
}
