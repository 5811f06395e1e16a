// What a place has to tell where certificates come from: the owner's files, the development authority.
import type { Keyring } from '../relay/keyring.ts'

/** A certificate that is served, by its first name. */
export interface CertificateEnd {
  readonly name: string
  /** Unix time in ms. */
  readonly at: number
  /** From then on people are told that it ends, Unix time in ms: another one should have come. */
  readonly lateAt: number
  /** It comes and is renewed by itself. */
  readonly isAutomatic: boolean
}

/** Certificates of one origin, which can be read again while they are in use. */
export interface Source extends Keyring {
  readonly ends: readonly CertificateEnd[]
  /** What is set and cannot be used, a sentence each. */
  readonly faults: readonly string[]
  /** Reads what can have changed again. What is not right is logged, and what was there goes on. */
  reload(): void
  close(): void
}

/** Oldest TLS that is spoken. */
export const MIN_TLS_VERSION = 'TLSv1.2'
