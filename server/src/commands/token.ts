// `pbt-server token`: the tokens with which clients connect.
import { durationMs } from '@bufbuild/protobuf/wkt'
import { Token_State as State, type Token } from '@pbt/proto/admin/v1'
import { Failure } from '../failure.ts'
import { withApi } from './api.ts'
import { type Command, durationIn, timeIn } from './command.ts'
import type { TokenItem } from './events.ts'

const list: Command = {
  name: 'token list',
  summary: 'list tokens: when each was made, when a client last used it, which is valid',
  run: async ({ settings }, output) => {
    const { tokens } = await withApi(settings, api => api.tokens.listTokens({}))
    output({ list: 'token', items: tokens.map(itemOf) })
  },
}

const rotate: Command = {
  name: 'token rotate',
  summary:
    'make a new token and print it once; the previous one ends at once, with the sessions of its clients, or after --grace',
  options: [
    { name: 'label', doc: 'the name of the new token in lists' },
    {
      name: 'grace',
      doc: 'how long the previous token stays valid, for example 15m: clients that connect meanwhile get the new one automatically. Not for a stolen token',
    },
  ],
  run: async ({ settings, values }, output) => {
    const { duration: grace } = durationIn('grace', values.grace)
    const request = { label: String(values.label ?? ''), ...(grace && { grace }) }
    const endsAt = grace === undefined ? undefined : new Date(Date.now() + durationMs(grace))
    const { secret, toldClients } = await withApi(settings, api => api.tokens.rotateToken(request))
    output({ event: 'rotated', token: secret, ...(endsAt && { endsAt }), told: toldClients.map(({ label }) => label) })
  },
}

const revoke: Command = {
  name: 'token revoke',
  summary: 'end the previous token before its grace time is over',
  positionals: [['<id>', 'its number, as "pbt-server token list" shows it']],
  run: async ({ settings, values }, output) => {
    const id = idIn(String(values.id))
    await withApi(settings, api => api.tokens.revokeToken({ id: BigInt(id) }))
    output({ event: 'revoked', id })
  },
}

/** Every subcommand of `pbt-server token`. */
export const TOKEN_COMMANDS: readonly Command[] = [list, rotate, revoke]

function itemOf({ id, label, state, createTime, lastUsedTime, endTime, clients }: Token): TokenItem {
  return {
    ...{ id: Number(id), label, state: state === State.VALID ? 'valid' : state === State.ENDING ? 'ending' : 'ended' },
    clients: clients.map(client => client.label),
    createdAt: timeIn(createTime) ?? new Date(0),
    ...(lastUsedTime && { lastUsedAt: timeIn(lastUsedTime) }),
    ...(endTime && { endsAt: timeIn(endTime) }),
  }
}

function idIn(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Failure('usage', `"${text}" is not the number of a token`, { cure: '"pbt-server token list" shows them' })
}
