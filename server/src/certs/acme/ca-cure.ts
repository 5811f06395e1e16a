// What the owner can do about a CA's refusal, by its problem type (RFC 8555 section 6.7) and its words.
import type { IssueFailure } from './types.ts'

const AGAIN = '"pbt-server domain check" looks at everything that the CA needs'

const CURES: readonly (readonly [type: RegExp, words: RegExp, cure: string])[] = [
  [
    /./,
    /secondary validation/i,
    'some of the places that the CA asks from were kept out: turn off country blocking for ports 80 and 53 at the provider of this machine, then try again',
  ],
  [/^caa$/, /./, 'CAA records forbid this CA: "pbt-server domain check" names the record to add'],
  [
    /^connection$/,
    /./,
    "the CA cannot reach this server: open port 80 (53 for a proof by DNS), also in the provider's firewall, over IPv6 too",
  ],
  [/^dns$/, /DNSSEC|bogus/i, 'the DNSSEC signatures are broken: repair them, or remove the DS record at the registrar'],
  [/^dns$/, /./, `the CA cannot look the name up: ${AGAIN}`],
  [/^(unauthorized|incorrectResponse)$/, /./, `another server answered the CA, or an old record: ${AGAIN}`],
  [/^rateLimited$/, /./, 'it is tried again by itself when the CA allows it'],
  [
    /^rejectedIdentifier$/,
    /./,
    'this CA issues no certificate for that name: choose another name, or another CA with acme-directory',
  ],
  [/^invalidContact$/, /./, 'set acme-email to an address that the CA takes'],
  [
    /^externalAccountRequired$/,
    /./,
    'this CA wants an account made on its site first; choose another with acme-directory',
  ],
  [/^serverInternal$/, /./, 'the CA has a fault of its own; it is tried again by itself'],
]

/** Never empty. `message`: the CA's words. */
export function cureForCa({ type, message }: Pick<IssueFailure, 'type' | 'message'>): string {
  return CURES.find(([ofType, words]) => ofType.test(type) && words.test(message))?.[2] ?? AGAIN
}
