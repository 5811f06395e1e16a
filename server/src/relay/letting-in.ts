// The owner lets somebody in from the client's side: whether the tunnel is this machine's, and what is answered.
import { create } from '@bufbuild/protobuf'
import { PbtError, reasonOf } from '@pbt/proto'
import { type AllowPeer, type PeerAllowed, PeerAllowedSchema } from '@pbt/proto/tunnel/v1'

/** Blocks of one request: a person names a few. */
const MAX_BLOCKS = 64
const MAX_TUNNEL_CHARS = 300
/** A hundred years: later is for good. */
const MAX_MS = 100 * 365 * 24 * 3_600_000

/** A block to be let in at an address; `endsAt`: not for good. */
export interface LetIn {
  readonly address: string
  readonly block: string
  readonly note: string
  readonly endsAt: Date | undefined
}

/** The owner's verb, as the relay needs it: false where everybody may visit. Rejects with PbtError. */
export type LetInVerb = (letIn: LetIn) => Promise<boolean>

/** Whose request it is, and what is known of that machine. */
export interface Asking {
  /** For people. */
  readonly label: string
  /** Where its link comes from. */
  readonly address: string
  /** The addresses of its tunnel, or its address, of this name. */
  readonly addressesOf: (text: string) => readonly string[]
  readonly letIn: LetInVerb
}

/** The answer, once everything is in force. Never rejects. */
export async function answerTo(wish: AllowPeer, asking: Asking): Promise<PeerAllowed> {
  try {
    return create(PeerAllowedSchema, { id: wish.id, ...(await letIn(wish, asking)) })
  } catch (error) {
    const known = error instanceof PbtError ? error : new PbtError('internal', 'the server could not save the list')
    const { code, message, cure } = known
    return create(PeerAllowedSchema, { id: wish.id, reason: reasonOf(code), message, cure })
  }
}

async function letIn({ tunnel, blocks, me, durationMs }: AllowPeer, asking: Asking) {
  const all = me ? [asking.address, ...blocks] : blocks
  if (all.length === 0 || all.length > MAX_BLOCKS) {
    throw new PbtError('not-allowed', `${all.length} blocks cannot be let in at once`, {
      cure: `give "me", or 1 to ${MAX_BLOCKS} addresses and CIDR blocks`,
    })
  }
  const addresses = tunnel.length > MAX_TUNNEL_CHARS ? [] : asking.addressesOf(tunnel)
  if (addresses.length === 0) {
    const name = tunnel.slice(0, MAX_TUNNEL_CHARS)
    throw new PbtError('not-allowed', `this machine has no tunnel and no address "${name}"`, {
      cure: '"pbt status" shows those that run here; for another machine\u2019s: pbt-server allow ADDRESS --add BLOCK',
    })
  }
  const ms = Number(durationMs)
  const endsAt = ms === 0 || ms > MAX_MS ? undefined : new Date(Date.now() + ms)
  const changed: string[] = []
  const open: string[] = []
  for (const address of addresses) {
    let isOpen = false
    for (const block of all) {
      const note = `let in from ${asking.label}`
      if (!(await asking.letIn({ address, block, note, endsAt }))) isOpen = true
    }
    ;(isOpen ? open : changed).push(address)
  }
  return { blocks: all, addresses: changed, open }
}
