// The certificates that there are: what the edge asks for each handshake, and the relay for each address.
import type { SecureContext } from 'node:tls'
import type { Address } from './address.ts'

/** A certificate chain and its key, in PEM. */
export interface CertificatePair {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** Certificates that come by themselves: where they stand. */
export interface ComingCertificates {
  /** Why an address has none, and what to do about it. */
  missing(address: Address): { readonly reason: string; readonly cure: string }
  /** A tunnel has this address and no certificate covers it. Waits for nothing, never throws. */
  wanted(address: Address): void
}

/** Certificates by server name; asked at each handshake. */
export interface Keyring {
  /** The context for a server name (lower-case, no trailing dot); undefined: there is none. */
  contextFor(serverName: string): SecureContext | undefined
  /** What is shown to connections that name no server; undefined: nothing. The same object until there is another one. */
  readonly unnamed: CertificatePair | undefined
  /** Whether the certificate shown for `serverName`, or to a connection without one, also covers `host` (lower-case, no port). */
  covers(serverName: string | undefined, host: string): boolean
}
