// Addresses as visitors give them.
import type { Address } from './address.ts'

/** For example `https://myapp.localhost:8443` or `tcp://localhost:20022`. */
export function urlOf(address: Address, baseDomain: string, httpsPort: number): string {
  if ('number' in address) return `${address.kind}://${baseDomain}:${address.number}`
  return `https://${address.key}${httpsPort === 443 ? '' : `:${httpsPort}`}`
}

/** What a client is told of an address that visitors cannot use yet. */
export function withoutCertificate({ text }: Address) {
  return {
    reason: 'no certificate covers it yet',
    cure: `add a certificate for ${text} to tls-cert and tls-key of pbt-server`,
  }
}
