// `pbt-server allow`: who may visit an address. A running server goes by it within a second.
import { PbtError } from '@pbt/proto'
import { Allowlist } from '../access/allowlist.ts'
import { loadConfig } from '../config.ts'
import { Failure } from '../failure.ts'
import { parseHostname } from '../relay/names.ts'
import type { ListedAddress } from '../store/allowlists.ts'
import { openStore } from '../store/store.ts'
import { type Command, warnIn } from './command.ts'

/** Instead of blocks. */
const EVERYBODY = 'everybody'
const AS_CLIENT = 'as-client'

/** `tcp:20022`; `tcp-20022` as logs and metrics have it (a name that looks like that can be given in full); `tcp://host:20022`. */
const PORT = /^(tcp|udp)(?:[:-]|:\/\/[^/]+:)(\d{1,5})\/?$/i

export const allow: Command = {
  name: 'allow',
  summary: 'show or set who may visit an address, whichever tunnel has it',
  positionals: [
    [
      '[address]',
      'a name such as "app", a custom domain, a port such as "tcp:20022", or one of them as pbt shows it, such as "tcp://host:20022". None: show all lists that are set',
    ],
    [
      '[block..]',
      `the addresses and CIDR blocks that may visit from now on; "${EVERYBODY}"; or "${AS_CLIENT}" for what the client says with --allow. None: show the list`,
    ],
  ],
  run: async ({ config: file, flags, values }, output, context) => {
    const { dataDir, baseDomain } = loadConfig(file, flags, warnIn(context))
    const blocks = Array.isArray(values.block) ? values.block.map(String) : []
    const address = values.address === undefined ? undefined : addressIn(String(values.address), baseDomain)
    const entries = entriesIn(blocks)
    const store = await openStore(dataDir)
    try {
      const { allowlists } = store
      if (address === undefined) {
        output({ event: 'allowlists', lists: (await allowlists.allowlists()).map(shown) })
        return
      }
      const listed = blocks.length === 0 ? await allowlists.find(address) : await allowlists.set(address, entries)
      if (listed === undefined) throw unknown(String(values.address))
      output({ event: 'allowlists', lists: [shown(listed)] })
    } finally {
      await store.close()
    }
  },
}

function shown({ address, entries }: ListedAddress) {
  return entries === undefined ? { addresses: [address] } : { addresses: [address], allow: entries }
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

/** As it is remembered: a label, a port as `tcp:20022`, or a custom domain. Throws Failure `usage`. */
function addressIn(text: string, baseDomain: string): string {
  const [, protocol, digits] = PORT.exec(text) ?? []
  if (protocol !== undefined) return `${protocol.toLowerCase()}:${Number(digits)}`
  if (/^\d+$/.test(text)) {
    throw new Failure('usage', `"${text}" does not say whether it is a TCP or a UDP port`, {
      cure: `give "tcp:${text}" or "udp:${text}"`,
    })
  }
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null
  const { host, label } = readable(() => parseHostname(url?.hostname ?? text, baseDomain))
  return label ?? host
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
  return new Failure('unknown-address', `no tunnel has or had the address "${address}"`, {
    cure: 'open the tunnel first, or give the name, such as "app", or the port, such as "tcp:20022", of one that was open',
  })
}
