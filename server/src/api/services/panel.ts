// The panel's sessions, as the API has them.

import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Duration, durationMs, timestampFromDate } from '@bufbuild/protobuf/wkt'
import { Code, type HandlerContext, type ServiceImpl } from '@connectrpc/connect'
import type { PanelService, PanelSessionSchema } from '@pbt/proto/admin/v1'
import type { Owner } from '../../owner/owner.ts'
import type { KeptSession, Proof } from '../../owner/panel.ts'
import { callerOf } from '../caller.ts'
import { SESSION_COOKIE } from '../door.ts'
import { apiError } from '../errors.ts'
import { Violations } from '../values.ts'

/** A link is as good as the token: not for longer. */
const MAX_LINK_MS = 3_600_000
const SESSION_SECONDS = 30 * 24 * 3_600
/** For this host alone, over TLS alone, never for scripts, never with a request that another site began. */
const COOKIE_RULES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

/** Sets the session's cookie at login; its secret is in no message. */
export function panelService({ panel }: Pick<Owner, 'panel'>): ServiceImpl<typeof PanelService> {
  return {
    async login({ proof }, context) {
      const { address, userAgent } = callerOf(context)
      const { session, secret } = await panel.login(proofOf(proof), { address, userAgent })
      setCookie(context, `${SESSION_COOKIE}=${secret}; ${COOKIE_RULES}; Max-Age=${SESSION_SECONDS}`)
      return { session: messageOf(session, session.id) }
    },
    async logout(_request, context) {
      const own = ownIdOf(context)
      if (own !== 0) await panel.end([own], own)
      setCookie(context, `${SESSION_COOKIE}=; ${COOKIE_RULES}; Max-Age=0`)
      return {}
    },
    async getSession(_request, context) {
      const own = ownIdOf(context)
      const session = own === 0 ? undefined : (await panel.list()).find(({ id }) => id === own)
      return session === undefined ? {} : { session: messageOf(session, own) }
    },
    createLoginLink({ lifetime }, context) {
      // A stolen session must not make others that outlive it.
      if (callerOf(context).kind === 'session') {
        throw apiError(Code.PermissionDenied, 'the panel cannot make links', {
          reason: 'not-allowed',
          cure: 'run "pbt-server login" on the server',
        })
      }
      const { url, endsAt } = panel.link(lifetime && lifetimeMs(lifetime))
      return { url, endTime: timestampFromDate(endsAt) }
    },
    async listSessions(_request, context) {
      const own = ownIdOf(context)
      return { sessions: (await panel.list()).map(session => messageOf(session, own)) }
    },
    async endSessions({ ids }, context) {
      return { ended: await panel.end(idsIn(ids), ownIdOf(context)) }
    },
  }
}

function proofOf(proof: { readonly case?: string | undefined; readonly value?: string | undefined }): Proof {
  const { case: kind, value = '' } = proof
  if (kind === 'token' && value !== '') return { kind, token: value }
  if (kind === 'code' && value !== '') return { kind, code: value }
  const wrong = new Violations()
  wrong.add(kind ?? 'token', 'it is empty')
  wrong.check()
  return { kind: 'token', token: value }
}

function lifetimeMs(lifetime: Duration): number {
  const ms = durationMs(lifetime)
  const wrong = new Violations()
  if (ms < 1_000 || ms > MAX_LINK_MS) wrong.add('lifetime', `${ms / 1_000} s is not between 1 s and 3600 s`)
  wrong.check()
  return ms
}

function idsIn(ids: readonly string[]): number[] {
  const wrong = new Violations()
  for (const [index, id] of ids.entries()) {
    if (!/^\d{1,15}$/.test(id)) wrong.add(`ids[${index}]`, `"${id.slice(0, 50)}" is not the id of a session`)
  }
  wrong.check()
  return ids.map(Number)
}

/** 0 for a caller without a session. */
function ownIdOf(context: HandlerContext): number {
  return Number(callerOf(context).sessionId)
}

function setCookie({ responseHeader }: HandlerContext, value: string): void {
  responseHeader.append('set-cookie', value)
}

function messageOf(session: KeptSession, own: number): MessageInitShape<typeof PanelSessionSchema> {
  const { id, userAgent, address, isByToken, createdAt, lastSeenAt, endsAt } = session
  return {
    ...{ id: String(id), userAgent, address, isByToken, isYou: id === own },
    createTime: timestampFromDate(createdAt),
    lastSeenTime: timestampFromDate(lastSeenAt),
    endTime: timestampFromDate(endsAt),
  }
}
