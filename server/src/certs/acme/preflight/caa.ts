// Whether the CA may issue: CAA records (RFC 8659) up the tree, with the parameters of RFC 8657.
import type { Answer, CaaAnswer } from 'dns-packet'
import type { Check, ProofKind } from '../types.ts'
import { finding, whyNot } from './place.ts'
import { type Found, parentOf, type World } from './world.ts'

const STEP = 'caa'
const METHODS: Readonly<Record<ProofKind, string>> = { http: 'http-01', delegated: 'dns-01' }

/** Who asks for the certificate. */
export interface Issuing {
  /** The names by which CAA records mean the CA (its directory's `caaIdentities`); empty when not known. */
  readonly identities: readonly string[]
  /** The account's URL; '' when there is none yet, or it is not known. */
  readonly accountUrl: string
  readonly proof: ProofKind
}

/** For a name, `*.` included. */
export async function checkCaa(name: string, issuing: Issuing, world: World): Promise<Check> {
  for (let at = name.replace(/^\*\./, ''); at !== ''; at = parentOf(at)) {
    const found = await world.own(at, 'CAA')
    const records = caaIn(found)
    if (records.length > 0) return judge({ name, at, records, issuing })
    if (found.kind === 'failed' || found.kind === 'silent') return await unanswered(name, at, found, world)
  }
  return finding(STEP, name, 'ok', `no CAA record keeps a CA from issuing for ${name}`)
}

function caaIn(found: Found): CaaAnswer[] {
  const isCaa = (record: Answer): record is CaaAnswer => record.type === 'CAA'
  return found.kind === 'found' ? found.records.filter(isCaa) : []
}

/** CAs take a failure for "no" (RFC 8659 section 3), and so it is one here when the same servers answer other questions. */
async function unanswered(name: string, at: string, found: Found, world: World): Promise<Check> {
  const others = await world.own(at, 'A')
  const isForCaaOnly = found.kind === 'failed' && (others.kind === 'found' || others.kind === 'none')
  if (!isForCaaOnly)
    return finding(STEP, name, 'not-checked', `the CAA records of ${at} are not known: ${whyNot(found)}`)
  return finding(STEP, name, 'failed', `the servers of ${at} fail for CAA (type 257): ${whyNot(found)}`, {
    cure: `ask the DNS provider of ${at}: CAs take this for a prohibition, so no order is made`,
  })
}

interface Judged {
  readonly name: string
  /** Where the records are. */
  readonly at: string
  readonly records: readonly CaaAnswer[]
  readonly issuing: Issuing
}

function judge(judged: Judged): Check {
  const { name, at, records, issuing } = judged
  const unknown = records.find(({ data }) => isCritical(data.flags) && !KNOWN_TAGS.includes(data.tag.toLowerCase()))
  if (unknown !== undefined) {
    const message = `CAA at ${at} has the critical property "${shown(unknown.data.tag)}", which no CA may pass over unless it knows it`
    return finding(STEP, name, 'failed', message, { cure: `remove that CAA record at ${at}` })
  }
  const { tag, values } = relevant(name, records)
  if (values.length === 0) return finding(STEP, name, 'ok', `CAA at ${at} says nothing of who may issue for ${name}`)
  if (issuing.identities.length === 0) {
    const message = `CAA at ${at} allows ${listed(values)}; whether that is the CA is not known`
    return finding(STEP, name, 'not-checked', message)
  }
  const ours = values.map(parseIssue).filter(({ issuer }) => issuing.identities.includes(issuer))
  if (ours.length === 0) return forbidden(judged, tag, values)
  const reasons = ours.map(each => parameterFault(each, issuing))
  if (reasons.includes(undefined)) return finding(STEP, name, 'ok', `CAA at ${at} allows the CA`)
  return finding(STEP, name, 'failed', `CAA at ${at} allows the CA only ${reasons[0]}`, {
    cure: `correct the parameters of that CAA record at ${at}, or remove them`,
    record: { name: at, type: 'CAA', value: `0 ${tag} "${issuing.identities[0]}"` },
  })
}

const KNOWN_TAGS: readonly string[] = [
  'issue',
  'issuewild',
  'iodef',
  'issuemail',
  'issuevmc',
  'contactemail',
  'contactphone',
]

function isCritical(flags: number | undefined): boolean {
  return ((flags ?? 0) & 0x80) !== 0
}

/** For a wildcard `issuewild` counts alone, if there is one (RFC 8659 section 4.3). */
function relevant(name: string, records: readonly CaaAnswer[]): { tag: 'issue' | 'issuewild'; values: string[] } {
  const of = (tag: string) => records.filter(({ data }) => data.tag.toLowerCase() === tag).map(({ data }) => data.value)
  const wild = name.startsWith('*.') ? of('issuewild') : []
  return wild.length > 0 ? { tag: 'issuewild', values: wild } : { tag: 'issue', values: of('issue') }
}

function forbidden({ name, at, issuing }: Judged, tag: 'issue' | 'issuewild', values: readonly string[]): Check {
  const [identity = ''] = issuing.identities
  const record = { name, type: 'CAA', value: `0 ${tag} "${identity}"` } as const
  const quoted = values.find(value => /["\\]/.test(value))
  if (quoted !== undefined) {
    const message = `the CAA value at ${at} contains quotes that belong to the zone file: ${shown(quoted)}`
    return finding(STEP, name, 'failed', message, { cure: `it must be ${identity} without quotes`, record })
  }
  if (tag === 'issuewild') {
    const text = values.map(value => `issuewild "${shown(value)}"`).join(', ')
    const message = `${text} at ${at} forbids ${name}`
    return finding(STEP, name, 'failed', message, {
      cure: `add ${at} CAA 0 issuewild "${identity}"`,
      record: { ...record, name: at },
    })
  }
  const own = name.replace(/^\*\./, '')
  return finding(STEP, name, 'failed', `CAA at ${at} allows only ${listed(values)}`, {
    cure: `add ${own} CAA 0 issue "${identity}"`,
    record: { ...record, name: own },
  })
}

interface Issue {
  readonly issuer: string
  readonly parameters: ReadonlyMap<string, string>
}

/** RFC 8659 section 4.2: `issuer; name=value …`. */
function parseIssue(value: string): Issue {
  const [issuer = '', ...parameters] = value.split(';')
  const pairs = parameters.flatMap(each => {
    const at = each.indexOf('=')
    return at < 0 ? [] : [[each.slice(0, at).trim().toLowerCase(), each.slice(at + 1).trim()] as const]
  })
  return { issuer: issuer.trim().toLowerCase(), parameters: new Map(pairs) }
}

/** Why a record that means the CA does not hold for this order, to be read after "only"; undefined when it does. */
function parameterFault({ parameters }: Issue, { accountUrl, proof }: Issuing): string | undefined {
  const methods = parameters.get('validationmethods')?.toLowerCase().split(',')
  const method = METHODS[proof]
  if (methods !== undefined && !methods.includes(method))
    return `for ${shown(methods.join(', '))}, and this name is proved by ${method}`
  const account = parameters.get('accounturi')
  if (account !== undefined && accountUrl !== '' && account !== accountUrl)
    return `for the account ${shown(account)}, and that of this server is ${accountUrl}`
  return undefined
}

function listed(values: readonly string[]): string {
  const issuers = values
    .map(value => parseIssue(value).issuer)
    .map(issuer => (issuer === '' ? 'nobody' : shown(issuer)))
  return [...new Set(issuers)].join(', ')
}

/** From strangers: without control characters, and short. */
function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100)
}
