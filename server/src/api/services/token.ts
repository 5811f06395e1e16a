// Tokens, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import { Token_State as State, type TokenSchema, type TokenService } from '@pbt/proto/admin/v1'
import type { Owner } from '../../owner/owner.ts'
import type { TokenView } from '../../owner/tokens.ts'
import { callerOf } from '../caller.ts'
import { millisecondsOf, timeField } from '../values.ts'
import { clientMessage } from './client.ts'

/** Longer, and one had better not rotate. */
const MAX_GRACE_MS = 30 * 24 * 3_600_000

/** A new token is in the answer to its rotation, and in no other. */
export function tokenService({ tokens }: Pick<Owner, 'tokens'>): ServiceImpl<typeof TokenService> {
  return {
    async listTokens() {
      return { tokens: (await tokens.list()).map(tokenMessage) }
    },
    async rotateToken({ label, grace }, context) {
      const graceMs = millisecondsOf('grace', grace, 0, MAX_GRACE_MS)
      const { token: secret, kept, told } = await tokens.rotate(label, graceMs, Number(callerOf(context).sessionId))
      return { secret, token: tokenMessage(kept), toldClients: told.map(clientMessage) }
    },
    async revokeToken({ id }) {
      await tokens.revoke(Number(id))
      const token = (await tokens.list()).find(each => each.id === Number(id))
      return token === undefined ? {} : { token: tokenMessage(token) }
    },
  }
}

/** For other services that tell of tokens. */
export function tokenMessage({
  id,
  label,
  createdAt,
  lastUsedAt,
  endsAt,
  clients,
}: TokenView): MessageInitShape<typeof TokenSchema> {
  const state = endsAt === undefined ? State.VALID : endsAt.getTime() <= Date.now() ? State.ENDED : State.ENDING
  return {
    ...{ id: BigInt(id), label, state },
    clients: clients.map(clientMessage),
    createTime: timestampFromDate(createdAt),
    ...timeField('lastUsedTime', lastUsedAt),
    ...timeField('endTime', endsAt),
  }
}
