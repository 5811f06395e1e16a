// Domains in words: where each stands, what it waits for, and which of its records were seen.
import { Check_State, type CheckDomainResponse, type DnsRecord, type Domain, Domain_State } from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import type { Step } from '../components/steps'
import { sentence } from './sentence.ts'
import { counted, day, howLong, millis, moment } from './time.ts'

const DAY_MS = 24 * 3_600_000

/** Where a domain stands. */
export interface DomainStanding {
  readonly mark: MarkName
  readonly tone: Tone
  readonly word: string
  readonly detail: string
}

export function domainStanding(domain: Domain): DomainStanding {
  const { state, certificate, problem } = domain
  const has = certificate !== undefined
  const by = certificate === undefined || certificate.issuer === '' ? '' : `by ${certificate.issuer}`
  switch (state) {
    case Domain_State.ISSUED:
      return { mark: 'ok', tone: 'ok', word: 'Issued', detail: by }
    case Domain_State.RENEWING:
      return { mark: 'ok', tone: 'ok', word: 'Renewing', detail: by }
    case Domain_State.ISSUING:
      return { mark: 'wait', tone: 'warn', word: 'Ordered', detail: 'the CA is checking' }
    case Domain_State.VERIFIED:
      return { mark: 'wait', tone: 'warn', word: 'Verified', detail: 'the order follows' }
    case Domain_State.ERROR:
      return { mark: 'bad', tone: 'bad', word: 'Error', detail: has ? 'the old certificate serves on' : 'see above' }
    default:
      return { mark: 'wait', tone: 'warn', word: 'Waiting for you', detail: problem?.message ?? 'being checked' }
  }
}

/** A problem that the owner has to look at; what merely waits for records is none. */
export function hasTrouble({ state }: Domain): boolean {
  return state === Domain_State.ERROR
}

/** How long its certificate is valid, and how much of its life that is, 0 to 1; undefined without one. */
export function lifeLeft(
  { certificate }: Domain,
  now: number,
): { days: number; text: string; share: number } | undefined {
  const [start, end] = [millis(certificate?.startTime), millis(certificate?.endTime)]
  if (start === undefined || end === undefined) return undefined
  const left = end - now
  return {
    days: left / DAY_MS,
    text: left <= 0 ? 'has ended' : left < DAY_MS ? howLong(left) : counted(Math.floor(left / DAY_MS), 'day'),
    share: Math.min(1, Math.max(0, (end - now) / (end - start))),
  }
}

/** What there is to say of the certificate that it has. */
export function certificateText({ certificate }: Domain, now: number): string {
  const [end, renews] = [millis(certificate?.endTime), millis(certificate?.renewTime)]
  const by = certificate?.issuer ? ` by ${certificate.issuer}` : ''
  const until = end === undefined ? '' : ` until ${day(end, now)}`
  const at = renews === undefined || renews < now ? '' : ` on ${day(renews, now)}`
  return `It has a certificate${by}${until}. It renews by itself${at}, as long as these records stay.`
}

/** When something happens by itself. */
export function nextText(domain: Domain, now: number): string {
  const next = millis(domain.nextTryTime)
  const renews = millis(domain.certificate?.renewTime)
  if (domain.isGivenUp) return 'when you try again'
  if (domain.state === Domain_State.ISSUED && renews !== undefined) return day(renews, now)
  if (next !== undefined && next > now) return `${hasTrouble(domain) ? 'tries' : 'looks'} ${moment(next, now)}`
  return domain.state === Domain_State.ISSUING || domain.state === Domain_State.RENEWING ? 'now' : 'in a moment'
}

/** What was found of one record. */
export interface SeenRecord {
  readonly record: DnsRecord
  readonly state: 'seen' | 'missing' | 'wrong' | 'unknown'
  readonly words: string
}

/** The records of a domain, each with what the checks say of it; before they have come: unknown. */
export function seenRecords(
  records: readonly DnsRecord[],
  checks: readonly CheckDomainResponse[],
): readonly SeenRecord[] {
  return records.map(record => {
    const [step, name] = placeOf(record)
    const check = checks.find(each => each.check?.step === step && each.name === name)?.check
    const words = check === undefined ? '' : [check.message, check.cure].filter(Boolean).map(sentence).join(' ')
    if (check?.state === Check_State.OK) return { record, state: 'seen', words: sentence(check.message) }
    if (check?.state === Check_State.WAITING) return { record, state: 'missing', words }
    if (check?.state === Check_State.FAILED) return { record, state: 'wrong', words }
    return { record, state: 'unknown', words }
  })
}

/** Which check is about a record. */
function placeOf({ name, type }: DnsRecord): readonly [step: string, name: string] {
  if (type === 'NS') return ['delegation', name]
  if (name.startsWith('_acme-challenge.')) return ['challenge', name.slice('_acme-challenge.'.length)]
  return ['address', name.replace(/^\*\./, '')]
}

/** As a zone file has them. */
export function zoneFile(records: readonly DnsRecord[]): string {
  return records
    .map(({ name, type, value }) => `${name}. ${type} ${/^(?:CNAME|NS)$/.test(type) ? `${value}.` : value}`)
    .join('\n')
}

const TITLES: Readonly<Record<string, string>> = {
  responder: 'DNS responder',
  clock: 'Clock',
  delegation: 'Delegation',
  challenge: 'Proof record',
  address: 'Address',
  dnssec: 'DNSSEC',
  caa: 'CAA',
  'port-80': 'Port 80',
  'port-53': 'Port 53, udp and tcp',
  limits: 'Limits of the CA',
}
const STATES: Readonly<Record<number, readonly [Step['state'], string]>> = {
  [Check_State.OK]: ['fine', 'fine'],
  [Check_State.FAILED]: ['fails', 'fails'],
  [Check_State.WAITING]: ['waits', 'waiting for you'],
  [Check_State.NOT_CHECKED]: ['skips', 'not checked'],
  [Check_State.UNSPECIFIED]: ['skips', 'not checked'],
}
const ORDER: readonly number[] = [
  Check_State.FAILED,
  Check_State.WAITING,
  Check_State.OK,
  Check_State.NOT_CHECKED,
  Check_State.UNSPECIFIED,
]

/** What a check of a custom domain is about. */
export function checkTitle(step: string): string {
  return TITLES[step] ?? step
}

/** What was checked, what needs the owner first. */
export function checkSteps(checks: readonly CheckDomainResponse[]): readonly Step[] {
  const steps = checks.flatMap(({ check, name }, index) => (check === undefined ? [] : [{ check, name, index }]))
  steps.sort(
    (one, other) => ORDER.indexOf(one.check.state) - ORDER.indexOf(other.check.state) || one.index - other.index,
  )
  return steps.map(({ check, name, index }) => {
    const [state, word] = STATES[check.state] ?? ['skips', 'not checked']
    const title = checkTitle(check.step)
    return {
      ...{ key: `${check.step} ${name} ${index}`, state, word, title: name === '' ? title : `${title}: ${name}` },
      detail: [check.message, check.cure].filter(Boolean).map(sentence).join(' '),
    }
  })
}

/** "6 fine, 2 open, 1 not checked" */
export function checksText(checks: readonly CheckDomainResponse[]): string {
  const count = (...states: readonly Check_State[]) =>
    checks.filter(({ check }) => check && states.includes(check.state)).length
  const fine = count(Check_State.OK)
  const open = count(Check_State.FAILED, Check_State.WAITING)
  const unchecked = count(Check_State.NOT_CHECKED, Check_State.UNSPECIFIED)
  return [`${fine} fine`, open > 0 && `${open} open`, unchecked > 0 && `${unchecked} not checked`]
    .filter(Boolean)
    .join(', ')
}

/** The sentence at the head of the list. */
export function domainsLead(domains: readonly Domain[], offReason: string, now: number): string {
  if (offReason !== '') return sentence(offReason)
  if (domains.length === 0) return 'None yet. Add one: its certificate comes and renews by itself.'
  const has = domains.filter(({ certificate }) => certificate !== undefined)
  const next = has
    .flatMap(({ certificate }) => millis(certificate?.renewTime) ?? [])
    .sort((one, other) => one - other)[0]
  const isOne = has.length === 1
  const head = `${has.length} of ${counted(domains.length, 'domain')} ${isOne ? 'has' : 'have'} a certificate.`
  if (next === undefined) return head
  return `${head} ${isOne ? 'It renews by itself' : 'They renew by themselves, the next one'} on ${day(next, now)}.`
}

export function domainHref(name: string): string {
  return `/domains?name=${encodeURIComponent(name)}`
}
