// Tokens, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import { Token_State as State, type TokenSchema, type TokenService } from '@pbt/proto/admin/v1'
import type { Owner } from '../../owner/owner.ts'
import type { KeptToken } from '../../owner/tokens.ts'
import { timeField, Violations } from '../values.ts'

export function tokenService({ tokens }: Pick<Owner, 'tokens'>): ServiceImpl<typeof TokenService> {
  return {
    async listTokens() {
      return { tokens: (await tokens.list()).map(tokenMessage) }
    },
    async rotateToken({ label, grace }) {
      if (grace !== undefined) {
        const wrong = new Violations()
        wrong.add('grace', 'it cannot be given yet')
        wrong.check()
      }
      const { token: secret } = await tokens.rotate(label)
      const [newest] = await tokens.list()
      return { secret, ...(newest && { token: tokenMessage(newest) }) }
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
}: KeptToken): MessageInitShape<typeof TokenSchema> {
  const state = endsAt === undefined ? State.VALID : endsAt.getTime() <= Date.now() ? State.ENDED : State.ENDING
  return {
    ...{ id: BigInt(id), label, state },
    createTime: timestampFromDate(createdAt),
    ...timeField('lastUsedTime', lastUsedAt),
    ...timeField('endTime', endsAt),
  }
}
