// `pbt-server token`: the tokens with which clients connect. A running server goes by it within a second.
import { Failure } from '../failure.ts'
import { withOwner } from '../offline.ts'
import type { KeptToken } from '../owner/tokens.ts'
import type { Command } from './command.ts'
import type { TokenItem } from './output.ts'

const list: Command = {
  name: 'token list',
  summary: 'show all tokens: when they were made, when a client used them last, which is valid',
  run: async ({ config }, output) => {
    const tokens = await withOwner(config, owner => owner.tokens.list())
    output({ list: 'token', items: tokens.map(itemOf) })
  },
}

const rotate: Command = {
  name: 'token rotate',
  summary:
    'make a new token and print it, once; the one before it ends at once, and with it the sessions of its clients',
  run: async ({ config }, output) => {
    const { token } = await withOwner(config, owner => owner.tokens.rotate())
    output({ event: 'rotated', token })
  },
}

const revoke: Command = {
  name: 'token revoke',
  summary: 'end a token that is on its way out',
  positionals: [['<id>', 'its number, as "pbt-server token list" shows it']],
  run: async ({ config, values }, output) => {
    const id = idIn(String(values.id))
    await withOwner(config, owner => owner.tokens.revoke(id))
    output({ event: 'revoked', id })
  },
}

export const TOKEN_COMMANDS: readonly Command[] = [list, rotate, revoke]

function itemOf({ id, label, createdAt, lastUsedAt, endsAt }: KeptToken): TokenItem {
  const state = endsAt === undefined ? 'valid' : endsAt.getTime() <= Date.now() ? 'ended' : 'ending'
  return { id, label, state, createdAt, ...(lastUsedAt && { lastUsedAt }), ...(endsAt && { endsAt }) }
}

function idIn(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Failure('usage', `"${text}" is not the number of a token`, { cure: '"pbt-server token list" shows them' })
}
