// `pbt-server token`: the tokens with which clients connect.
import { Token_State as State, type Token } from '@pbt/proto/admin/v1'
import { Failure } from '../failure.ts'
import { withApi } from '../reach.ts'
import { type Command, timeIn } from './command.ts'
import type { TokenItem } from './events.ts'

const list: Command = {
  name: 'token list',
  summary: 'show all tokens: when they were made, when a client used them last, which is valid',
  run: async ({ settings }, output) => {
    const { tokens } = await withApi(settings, api => api.tokens.listTokens({}))
    output({ list: 'token', items: tokens.map(itemOf) })
  },
}

const rotate: Command = {
  name: 'token rotate',
  summary:
    'make a new token and print it, once; the one before it ends at once, and with it the sessions of its clients',
  options: [{ name: 'label', doc: 'what the new one is called in lists' }],
  run: async ({ settings, values }, output) => {
    const label = String(values.label ?? '')
    const { secret } = await withApi(settings, api => api.tokens.rotateToken({ label }))
    output({ event: 'rotated', token: secret })
  },
}

const revoke: Command = {
  name: 'token revoke',
  summary: 'end a token that is on its way out',
  positionals: [['<id>', 'its number, as "pbt-server token list" shows it']],
  run: async ({ settings, values }, output) => {
    const id = idIn(String(values.id))
    await withApi(settings, api => api.tokens.revokeToken({ id: BigInt(id) }))
    output({ event: 'revoked', id })
  },
}

export const TOKEN_COMMANDS: readonly Command[] = [list, rotate, revoke]

function itemOf({ id, label, state, createTime, lastUsedTime, endTime }: Token): TokenItem {
  return {
    ...{ id: Number(id), label, state: state === State.VALID ? 'valid' : state === State.ENDING ? 'ending' : 'ended' },
    createdAt: timeIn(createTime) ?? new Date(0),
    ...(lastUsedTime && { lastUsedAt: timeIn(lastUsedTime) }),
    ...(endTime && { endsAt: timeIn(endTime) }),
  }
}

function idIn(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Failure('usage', `"${text}" is not the number of a token`, { cure: '"pbt-server token list" shows them' })
}
