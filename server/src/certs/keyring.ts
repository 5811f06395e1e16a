// What the edge needs to know about certificates, whoever provides them.
import type { SecureContext } from 'node:tls'

/** A certificate chain and its key, in PEM. */
export interface CertificatePair {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** Tells the certificate for a name; undefined ends the handshake with an alert. */
export type ContextCallback = (error: Error | null, context?: SecureContext) => void

export interface Keyring {
  /** Finds the certificate for a server name (lower-case) and calls back at once. Never throws. */
  contextFor(servername: string, call: ContextCallback): void
  /**
   * What peers are shown that name no server: the base domain's, undefined when there is none. The same object until it is
   * another one, since it is asked for each connection. Never throws.
   */
  readonly unnamed: CertificatePair | undefined
  /**
   * Whether the certificate that this server name got (undefined: that a peer got without one) holds for `host` too
   * (lower-case, no port, no trailing dot).
   */
  covers(servername: string | undefined, host: string): boolean
  /** Reads the owner's files again. What is not right is logged, and what was there goes on. */
  reload(): void
  /** When each certificate that is served ends, by its first name; Unix time in ms. */
  readonly ends: readonly { readonly name: string; readonly at: number }[]
  /** The file of the authority that made the certificates, when it is the own one for development. */
  readonly authorityFile: string | undefined
  close(): void
}

/** Oldest TLS that is spoken. */
export const MIN_TLS_VERSION = 'TLSv1.2'
