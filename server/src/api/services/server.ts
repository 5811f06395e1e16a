// The server itself, as the API has it: what it is, and why a visitor gets what they get. `Watch` is in watch.ts.
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ServiceImpl } from '@connectrpc/connect'
import {
  type CheckSchema,
  type GetServerInfoResponseSchema,
  type ServerService,
  Check_State as State,
} from '@pbt/proto/admin/v1'
import type { Owner } from '../../owner/owner.ts'
import type { Check } from '../../owner/server-info.ts'
import { callerOf } from '../caller.ts'
import { textOf, timeField } from '../values.ts'

const STATES = { ok: State.OK, failed: State.FAILED, 'not-checked': State.NOT_CHECKED } as const

/** `lastEvent`: the number of the newest event. */
export function serverService(
  owner: Pick<Owner, 'server' | 'explain'>,
  lastEvent: () => number,
): Pick<ServiceImpl<typeof ServerService>, 'getServerInfo' | 'explain'> {
  return {
    getServerInfo: (_request, context) => infoMessage(owner, lastEvent(), callerOf(context).address),
    async explain({ address, peer }) {
      const { checks, ...rest } = await owner.explain.explain(textOf('address', address), peer)
      return { ...rest, checks: checks.map(checkMessage) }
    },
  }
}

/** For `Watch`, too. */
export function infoMessage(
  { server }: Pick<Owner, 'server'>,
  lastEvent: number,
  yourAddress: string,
): MessageInitShape<typeof GetServerInfoResponseSchema> {
  const { startedAt, settings, checks, ...info } = server.info()
  return {
    ...info,
    ...timeField('startTime', startedAt),
    yourAddress,
    settings: settings.map(({ defaultText, ...setting }) => ({ ...setting, defaultValue: defaultText })),
    checks: checks.map(checkMessage),
    lastEvent: BigInt(lastEvent),
  }
}

/** A step of what was looked at. */
export function checkMessage({ state, ...check }: Check): MessageInitShape<typeof CheckSchema> {
  return { ...check, state: STATES[state] }
}
