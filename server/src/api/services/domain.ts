// Domains, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import {
  type CheckDomainResponseSchema,
  Check_State as CheckState,
  type DomainSchema,
  type DomainService,
  Domain_Proof as Proof,
  Domain_State as State,
} from '@pbt/proto/admin/v1'
import type { DomainCheck, DomainView } from '../../owner/domains.ts'
import type { Owner } from '../../owner/owner.ts'
import { textOf, timeField } from '../values.ts'

const STATES = {
  pending: State.PENDING,
  verified: State.VERIFIED,
  issuing: State.ISSUING,
  issued: State.ISSUED,
  renewing: State.RENEWING,
  error: State.ERROR,
} as const
const PROOFS = { http: Proof.HTTP, delegated: Proof.DELEGATED } as const
const CHECKS = {
  ok: CheckState.OK,
  failed: CheckState.FAILED,
  waiting: CheckState.WAITING,
  'not-checked': CheckState.NOT_CHECKED,
} as const

/** Messages of the API over `domains` of the owner, which does the work. */
export function domainService({ domains, urlOf }: Pick<Owner, 'domains' | 'urlOf'>): ServiceImpl<typeof DomainService> {
  const messageOf = (view: DomainView) => domainMessage(view, urlOf)
  return {
    async listDomains() {
      return { domains: (await domains.list()).map(messageOf), offReason: domains.offReason }
    },
    async addDomain({ domain, also, proof, validateOnly }) {
      const options = { also, proof: proofIn(proof), isDry: validateOnly }
      return { domain: messageOf(await domains.add(textOf('domain', domain), options)) }
    },
    async *checkDomain({ domain }) {
      for await (const check of domains.check(textOf('domain', domain))) yield checkMessage(check)
    },
    async retryDomain({ domain }) {
      return { domain: messageOf(await domains.retry(textOf('domain', domain))) }
    },
    async removeDomain({ domain }) {
      return { domain: messageOf(await domains.remove(textOf('domain', domain))) }
    },
  }
}

/** For `Watch`, too. */
export function domainMessage(
  view: DomainView,
  urlOf: (address: string) => string,
): MessageInitShape<typeof DomainSchema> {
  const { name, names, state, proof, isBase, problem, failures, nextAt, isGivenUp, certificate } = view
  return {
    ...{ domain: name, names: [...names], url: urlOf(name), isBase, failures, isGivenUp, tunnel: view.tunnel },
    state: STATES[state],
    proof: PROOFS[proof],
    ...(problem && { problem: { ...withoutTime(problem), ...timeField('time', problem.at) } }),
    ...timeField('nextTryTime', nextAt),
    ...(certificate && {
      certificate: {
        startTime: timestampFromDate(certificate.notBefore),
        endTime: timestampFromDate(certificate.notAfter),
        renewTime: timestampFromDate(certificate.renewsAt),
        issuer: certificate.issuer,
      },
    }),
    records: view.records.map(record => ({ ...record })),
    createTime: timestampFromDate(view.createdAt),
  }
}

function withoutTime({ type, message, cure, link }: NonNullable<DomainView['problem']>) {
  return { type, message, cure, link }
}

function checkMessage({ name, state, ...check }: DomainCheck): MessageInitShape<typeof CheckDomainResponseSchema> {
  return { name, check: { ...check, state: CHECKS[state] } }
}

function proofIn(proof: Proof): 'http' | 'delegated' | undefined {
  if (proof === Proof.HTTP) return 'http'
  return proof === Proof.DELEGATED ? 'delegated' : undefined
}
