// `pbt-server domain`: what gets its certificate automatically.
import {
  type CheckDomainResponse,
  type Domain,
  Domain_Proof as Proof,
  Domain_State as State,
  Check_State as Step,
} from '@pbt/proto/admin/v1'
import { Failure } from '../failure.ts'
import { withApi } from './api.ts'
import { type Command, textsIn, timeIn } from './command.ts'
import type { CheckItem, DomainItem } from './events.ts'

const DOMAIN_DOC = 'a custom domain such as "app.mine.uk" or "*.mine.uk"'

const STATES: Readonly<Record<State, DomainItem['state']>> = {
  [State.UNSPECIFIED]: 'pending',
  [State.PENDING]: 'pending',
  [State.VERIFIED]: 'verified',
  [State.ISSUING]: 'issuing',
  [State.ISSUED]: 'issued',
  [State.RENEWING]: 'renewing',
  [State.ERROR]: 'error',
}

const list: Command = {
  name: 'domain list',
  summary: 'list domains with their certificates, and what is missing',
  run: async ({ settings }, output) => {
    const { domains, offReason } = await withApi(settings, api => api.domains.listDomains({}))
    output({ list: 'domain', items: domains.map(itemOf), offReason })
  },
}

const add: Command = {
  name: 'domain add',
  summary: 'add a domain: its certificate comes as soon as its DNS records are there',
  positionals: [
    ['<domain>', DOMAIN_DOC],
    ['[also..]', 'more names for the same certificate'],
  ],
  options: [
    {
      name: 'proof',
      doc: '"http", or "delegated" to prove it by DNS; wildcards always are',
      choices: ['http', 'delegated'],
    },
  ],
  run: async ({ settings, values }, output) => {
    const request = { domain: String(values.domain), also: textsIn(values.also), proof: proofIn(values.proof) }
    const { domain } = await withApi(settings, api => api.domains.addDomain(request))
    if (domain !== undefined) output({ event: 'domain-added', ...itemOf(domain) })
  },
}

/** Tells each as soon as it is known; fails with `not-reachable` when one has failed, after all were told. */
const check: Command = {
  name: 'domain check',
  summary: 'check everything that the certificate of a domain needs, one by one',
  positionals: [['<domain>', `${DOMAIN_DOC}; it need not be added`]],
  run: async ({ settings, values }, output) => {
    const domain = String(values.domain)
    const failed = await withApi(settings, async api => {
      let first: CheckItem | undefined
      for await (const response of api.domains.checkDomain({ domain })) {
        const item = checkOf(response)
        if (item.state === 'failed') first ??= item
        output({ event: 'check', ...item })
      }
      return first
    })
    if (failed !== undefined) throw new Failure('not-reachable', failed.message, { cure: failed.cure ?? '' })
    output({ list: 'check', items: [], verdict: `nothing stands in the way of ${domain}` })
  },
}

const retry: Command = {
  name: 'domain retry',
  summary: 'try now to get the certificate of a domain',
  positionals: [['<domain>', DOMAIN_DOC]],
  run: async ({ settings, values }, output) => {
    const request = { domain: String(values.domain) }
    const { domain } = await withApi(settings, api => api.domains.retryDomain(request))
    if (domain !== undefined) output({ event: 'domain-retried', ...itemOf(domain) })
  },
}

const remove: Command = {
  name: 'domain remove',
  summary: 'remove a domain: its certificate is no longer served or renewed; its address stays reserved',
  positionals: [['<domain>', DOMAIN_DOC]],
  run: async ({ settings, values }, output) => {
    const request = { domain: String(values.domain) }
    const { domain } = await withApi(settings, api => api.domains.removeDomain(request))
    if (domain !== undefined) output({ event: 'domain-removed', ...itemOf(domain) })
  },
}

/** Every subcommand of `pbt-server domain`. */
export const DOMAIN_COMMANDS: readonly Command[] = [list, add, check, retry, remove]

function proofIn(value: unknown): Proof {
  if (value === undefined) return Proof.UNSPECIFIED
  if (value === 'http') return Proof.HTTP
  if (value === 'delegated') return Proof.DELEGATED
  throw new Failure('usage', `--proof "${String(value)}" is not known`, { cure: 'give "http" or "delegated"' })
}

/** A domain as commands tell it. */
export function itemOf(domain: Domain): DomainItem {
  const { names, state, proof, isBase, problem, failures, nextTryTime, isGivenUp, certificate, records, tunnel } =
    domain
  return {
    ...{
      domain: domain.domain,
      names,
      state: STATES[state] ?? 'pending',
      proof: proof === Proof.DELEGATED ? 'delegated' : 'http',
    },
    ...(isBase ? { isBase } : {}),
    ...(tunnel === '' ? {} : { tunnel }),
    ...(problem && { problem: problemOf(problem) }),
    ...(failures === 0 ? {} : { failures }),
    ...(isGivenUp ? { isGivenUp } : {}),
    ...(nextTryTime && { nextTry: timeIn(nextTryTime) }),
    ...(certificate && {
      validUntil: timeIn(certificate.endTime),
      renewsAt: timeIn(certificate.renewTime),
      issuer: certificate.issuer,
    }),
    records: records.map(({ name, type, value }) => ({ name, type, value })),
  }
}

function problemOf({ type, message, cure, link }: NonNullable<Domain['problem']>) {
  return { type, message, ...(cure === '' ? {} : { cure }), ...(link === '' ? {} : { link }) }
}

/** What is missing fails here: a script must not go on. */
export function checkOf({ check, name }: CheckDomainResponse): CheckItem {
  const { step = '', state = Step.NOT_CHECKED, message = '', cure = '', record } = check ?? {}
  const stateText =
    state === Step.OK ? 'ok' : state === Step.FAILED || state === Step.WAITING ? 'failed' : 'not-checked'
  return {
    ...{ step, state: stateText, message, name },
    ...(cure === '' ? {} : { cure }),
    ...(record && { record: { name: record.name, type: record.type, value: record.value } }),
  }
}
