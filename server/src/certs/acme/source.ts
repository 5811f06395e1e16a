// Certificates of the CA as a source of the keyring: from what is kept, a secure context made when a name is first asked for.
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Log } from '../../observe/log.ts'
import { wildcardFor } from '../../relay/address.ts'
import type { CertificatePair } from '../../relay/keyring.ts'
import { type CertificateEnd, MIN_TLS_VERSION, type Source } from '../source.ts'
import type { KeyFiles } from './key-files.ts'
import type { KeptCertificate, KeptDomain } from './records.ts'

/** Contexts kept at once; the one not used for longest makes room. One is about 100 KiB. */
const MAX_CONTEXTS = 500

/** A renewal has failed for long, and people are told, when less than this part of its life is left. */
const LATE_PART = 1 / 6

interface Entry {
  readonly kept: KeptCertificate
  ready: { readonly pair: CertificatePair; readonly context: SecureContext } | undefined
  fault: string
}

/** Where keys are, and what it is the server of. */
export interface AcmeSourceOptions {
  readonly keys: Pick<KeyFiles, 'read'>
  readonly baseDomain: string
  readonly log: Log
  /** Unix time in ms. */
  readonly now: () => number
}

/** A certificate that cannot be used harms only its own names. */
export class AcmeSource implements Source {
  private readonly options: AcmeSourceOptions
  private entries = new Map<number, Entry>()
  /** The newest first. */
  private byName = new Map<string, Entry[]>()
  /** With a context, in the order of the last use. */
  private readonly used = new Set<Entry>()

  constructor(options: AcmeSourceOptions) {
    this.options = options
  }

  /** From now on it has these; contexts of those that stay are kept. */
  load(domains: readonly KeptDomain[], certificates: readonly KeptCertificate[]): void {
    const before = this.entries
    const entries = new Map<number, Entry>()
    const byName = new Map<string, Entry[]>()
    for (const domain of domains) {
      // The one before it stands in for a certificate whose key is lost.
      for (const kept of certificatesOf(domain, certificates).slice(0, 2)) {
        const entry = before.get(kept.id) ?? { kept, ready: undefined, fault: '' }
        entries.set(kept.id, entry)
        for (const name of kept.names) byName.set(name, [...(byName.get(name) ?? []), entry])
      }
    }
    for (const list of byName.values()) list.sort((one, other) => other.kept.id - one.kept.id)
    this.entries = entries
    this.byName = byName
    for (const entry of this.used) if (!entries.has(entry.kept.id)) this.used.delete(entry)
  }

  contextFor(serverName: string): SecureContext | undefined {
    return this.entryFor(serverName)?.ready?.context
  }

  get unnamed(): CertificatePair | undefined {
    const { baseDomain } = this.options
    return (this.entryFor(baseDomain) ?? this.entryFor(`link.${baseDomain}`))?.ready?.pair
  }

  covers(serverName: string | undefined, host: string): boolean {
    const { baseDomain } = this.options
    const entry =
      serverName === undefined
        ? (this.entryFor(baseDomain) ?? this.entryFor(`link.${baseDomain}`))
        : this.entryFor(serverName)
    return entry !== undefined && [host, wildcardFor(host)].some(name => entry.kept.names.includes(name))
  }

  get ends(): CertificateEnd[] {
    const served = new Set([...this.byName.values()].flatMap(([newest]) => newest ?? []))
    return [...served].map(({ kept: { names, notBefore, notAfter } }) => {
      const at = notAfter.getTime()
      return { name: names[0] ?? '', at, lateAt: at - (at - notBefore.getTime()) * LATE_PART, isAutomatic: true }
    })
  }

  get faults(): string[] {
    return [...this.entries.values()].flatMap(({ fault }) => (fault === '' ? [] : [fault]))
  }

  /** Looks again at what could not be used. */
  reload(): void {
    for (const entry of this.entries.values()) entry.fault = ''
  }

  close(): void {
    this.used.clear()
    this.entries.clear()
    this.byName.clear()
  }

  /**
   * The newest that is valid: of the name itself, else of the wildcard above it. Where each has ended the newest serves on until another comes:
   * visitors are told that it has ended, not that there is nobody here.
   */
  private entryFor(name: string): Entry | undefined {
    const own = this.byName.get(name)
    const above = this.byName.get(wildcardFor(name))
    return this.usable(own, true) ?? this.usable(above, true) ?? this.usable(own, false) ?? this.usable(above, false)
  }

  private usable(entries: readonly Entry[] | undefined, isValid: boolean): Entry | undefined {
    const now = this.options.now()
    return entries?.find(entry => entry.kept.notAfter.getTime() > now === isValid && this.isUsable(entry))
  }

  private isUsable(entry: Entry): boolean {
    if (entry.fault !== '') return false
    if (entry.ready === undefined) this.makeReady(entry)
    if (entry.ready === undefined) return false
    if (this.used.size > 1) {
      this.used.delete(entry)
      this.used.add(entry)
    }
    return true
  }

  private makeReady(entry: Entry): void {
    const { chain: cert, keyFile, names } = entry.kept
    try {
      const key = this.options.keys.read(keyFile)
      const context = createSecureContext({ cert, key, minVersion: MIN_TLS_VERSION })
      entry.ready = { pair: { cert, key }, context }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      entry.fault = `the certificate for ${names.join(', ')} cannot be used: ${why}`
      this.options.log.error('certificate cannot be used, its names have none', { names, reason: why })
      return
    }
    this.used.add(entry)
    const [oldest] = this.used
    if (this.used.size <= MAX_CONTEXTS || oldest === undefined) return
    oldest.ready = undefined
    this.used.delete(oldest)
  }
}

/** Those for exactly its names, in their order. */
export function certificatesOf<Kept extends Pick<KeptCertificate, 'names'>>(
  { names }: Pick<KeptDomain, 'names'>,
  certificates: readonly Kept[],
): Kept[] {
  const key = keyOf(names)
  return certificates.filter(({ names }) => keyOf(names) === key)
}

/** One text for a set of names. */
export function keyOf(names: readonly string[]): string {
  return [...names].sort().join(' ')
}
