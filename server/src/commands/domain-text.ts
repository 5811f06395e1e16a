// Domains in words: where each stands, and what the owner has to create.
import type { DomainItem, RecordToCreate } from './events.ts'
import { table, timeText } from './table.ts'

/** With the records to create. */
export function domainAdded({ domain, records }: DomainItem): string {
  return [
    `${domain} is added; its certificate comes by itself when these DNS records are there:`,
    '',
    recordsText(records),
    ...(records.some(isAlias) ? ['  or, instead of that CNAME, A and AAAA with the addresses of this server'] : []),
    '',
    `"pbt-server domain check ${domain}" checks each of them.`,
  ].join('\n')
}

/** Leads to this server by its name. */
function isAlias({ name, type }: RecordToCreate): boolean {
  return type === 'CNAME' && !name.startsWith('_')
}

/** Below the table, what is missing. `offReason`: why no certificate comes automatically. */
export function domainsText(domains: readonly DomainItem[], offReason: string, columns: number | undefined): string {
  if (domains.length === 0) {
    return offReason === ''
      ? 'there is no domain yet; "pbt-server domain add app.mine.uk" adds one'
      : `${offReason}; set it to have certificates for domains issued, see docs/settings.md`
  }
  const rows = domains.map(item => [item.domain, item.state, validText(item), nextText(item), item.tunnel ?? '-'])
  const problems = domains.flatMap(problemLines)
  const head = ['DOMAIN', 'STATE', 'VALID UNTIL', 'NEXT TRY', 'TUNNEL']
  return [table([head, ...rows], columns), ...(problems.length === 0 ? [] : ['', ...problems])].join('\n')
}

/** One that has its certificate is not ordered anew before its time. */
export function domainRetried({ domain, state, renewsAt }: DomainItem): string {
  if (state === 'issued' && renewsAt !== undefined)
    return `${domain} has its certificate: there is nothing to try until it is renewed, ${timeText(renewsAt)}`
  return `${domain} is tried again now: "pbt-server domain list" shows what comes of it`
}

function validText({ validUntil }: DomainItem): string {
  return validUntil === undefined ? '-' : timeText(validUntil)
}

function nextText({ state, nextTry, renewsAt, isGivenUp }: DomainItem): string {
  if (isGivenUp === true) return 'when you retry'
  const next = nextTry ?? (state === 'issued' ? renewsAt : undefined)
  return next === undefined ? 'now' : timeText(next)
}

function problemLines({ domain, problem }: DomainItem): string[] {
  if (problem === undefined) return []
  const { message, cure, link } = problem
  const what = message.startsWith(`${domain} `) ? message : `${domain}: ${message}`
  return [what, ...[cure, link].flatMap(line => (line === undefined ? [] : [`  ${line}`]))]
}

function recordsText(records: readonly RecordToCreate[]): string {
  return table(records.map(({ name, type, value }) => [`  ${name}`, type, value]))
}
