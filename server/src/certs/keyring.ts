// What the edge needs to know about certificates, whoever provides them.
import type { SecureContext } from 'node:tls'

/** Tells the certificate for a name; undefined ends the handshake with an alert. */
export type ContextCallback = (error: Error | null, context?: SecureContext) => void

export interface Keyring {
  /**
   * Finds the certificate for a server name (lower-case; undefined when the peer names none) and calls back at once.
   * Never throws.
   */
  contextFor(servername: string | undefined, call: ContextCallback): void
  /** Whether the certificate that this server name got holds for `host` too (lower-case, no port, no trailing dot). */
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
