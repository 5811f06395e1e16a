// What the checks have in common: what this server knows of itself, and how a finding is written.
import { parseAddress } from '@pbt/proto'
import { waysHere } from '../names.ts'
import type { Check, CheckedDomain, CheckState, DnsRecord, ProofKind } from '../types.ts'
import type { Found } from './world.ts'

/** What the server knows of itself. */
export interface Place {
  readonly baseDomain: string
  /** Empty when the owner has not said. */
  readonly publicAddresses: readonly string[]
  /** The ports that this server can be reached at from outside; 0: off. The CA comes to 80 and 53 only. */
  readonly httpPort: number
  readonly dnsPort: number
  /** Names that lead here: for "did you mean". */
  readonly ownNames: () => readonly string[]
}

/** A domain and where it is to lead. */
export interface Asked extends CheckedDomain {
  readonly place: Place
  readonly proof: ProofKind
}

interface More {
  readonly cure?: string
  readonly record?: DnsRecord
}

/** One finding. */
export function finding(step: string, name: string, state: CheckState, message: string, more: More = {}): Check {
  return {
    step,
    name,
    state,
    message,
    cure: more.cure ?? '',
    ...(more.record === undefined ? {} : { record: more.record }),
  }
}

/** As the owner writes it at the provider. */
export function recordText({ name, type, value }: DnsRecord): string {
  return `${name} ${type} ${value}`
}

/** The address record of the first public address; a stand-in when the owner has named none. */
export function addressRecord(name: string, { publicAddresses }: Place): DnsRecord {
  const address = publicAddresses[0] ?? '<address of this server>'
  return { name, type: address.includes(':') ? 'AAAA' : 'A', value: address }
}

/** The record that leads a name here, and each way to write it in words: `app.mine.uk CNAME …, or app.mine.uk A …`. */
export function leadHere(name: string, place: Place): { readonly record: DnsRecord; readonly text: string } {
  const { baseDomain, publicAddresses } = place
  const ways = waysHere(name, { baseDomain, publicAddress: publicAddresses })
  const record = ways[0]?.[0] ?? addressRecord(name, place)
  const texts = ways.map(way => way.map(recordText).join(' and '))
  return { record, text: texts.join(', or ') || recordText(record) }
}

/** Equal, however they are written. */
export function isSameAddress(one: string, other: string): boolean {
  const [first, second] = [parseAddress(one), parseAddress(other)]
  return first !== undefined && second !== undefined && first.join() === second.join()
}

/** What kept a look-up from being answered, to be read after "not answered: ". */
export function whyNot(found: Found): string {
  if (found.kind === 'failed') return `${found.by} says ${found.rcode}`
  return found.kind === 'silent' ? `${found.by}: ${found.how}` : ''
}
