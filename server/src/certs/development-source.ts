// Certificates for base domain localhost: one made for each name when it is first asked for, because no program
// accepts a wildcard directly below a top-level name.
import { generateKeyPairSync } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { CertificatePair } from '../relay/keyring.ts'
import { leafCertificate } from './certificate.ts'
import type { DevelopmentAuthority } from './development-authority.ts'
import { MIN_TLS_VERSION, type Source } from './source.ts'

/** Contexts kept at once; the one not used for longest makes room. One is about 100 KiB. */
export const MAX_CONTEXTS = 500

const DAY_MS = 24 * 3_600_000

/** The longest life that browsers accept, less than 398 days; made anew long before. */
const LEAF_MS = 397 * DAY_MS
const RENEW_MS = 30 * DAY_MS

/** A name below localhost, at most as long as a name may be (RFC 1035, section 2.3.4). */
const NAME = /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*localhost$/
const MAX_NAME = 253

interface Kept {
  readonly pair: CertificatePair
  readonly context: SecureContext
  readonly renewAt: number
  readonly endsAt: number
}

/** Issues a certificate for a name when it is first asked for, and keeps a bounded number of them in memory. */
export class DevelopmentSource implements Source {
  private readonly authority: DevelopmentAuthority
  /** One key for all leaves: what differs is the name. */
  private readonly key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  private readonly keyPem = this.key.privateKey.export({ type: 'pkcs8', format: 'pem' })
  /** In the order of the last use. */
  private readonly kept = new Map<string, Kept>()

  constructor(authority: DevelopmentAuthority) {
    this.authority = authority
  }

  /** Contexts kept at the moment. */
  get size(): number {
    return this.kept.size
  }

  contextFor(serverName: string): SecureContext | undefined {
    return isBelowLocalhost(serverName) ? this.keptFor(serverName).context : undefined
  }

  /** A peer without a server name has dialled an address: the certificate for localhost holds for loopback. */
  get unnamed(): CertificatePair {
    return this.keptFor('localhost').pair
  }

  /** Stands in for a wildcard: every name that gets a certificate here is covered by any of them. */
  covers(serverName: string | undefined, host: string): boolean {
    return isBelowLocalhost(serverName ?? 'localhost') && isBelowLocalhost(host)
  }

  /** Of those in use the one that ends first stands for all. */
  get ends() {
    const [first] = [...this.kept].sort(([, left], [, right]) => left.endsAt - right.endsAt)
    return first === undefined
      ? []
      : [{ name: first[0], at: first[1].endsAt, lateAt: first[1].endsAt, isAutomatic: true }]
  }

  readonly faults: readonly string[] = []

  reload(): void {}

  close(): void {
    this.kept.clear()
  }

  private keptFor(name: string): Kept {
    const now = Date.now()
    const before = this.kept.get(name)
    const kept = before !== undefined && now < before.renewAt ? before : this.make(name, now)
    this.kept.delete(name)
    this.kept.set(name, kept)
    if (this.kept.size > MAX_CONTEXTS) {
      const [oldest] = this.kept.keys()
      if (oldest !== undefined) this.kept.delete(oldest)
    }
    return kept
  }

  private make(name: string, now: number): Kept {
    const leaf = leafCertificate(this.authority, name, this.key.publicKey, new Date(now + LEAF_MS))
    const pair = { cert: leaf, key: this.keyPem }
    const context = createSecureContext({ ...pair, minVersion: MIN_TLS_VERSION })
    return { pair, context, renewAt: now + RENEW_MS, endsAt: now + LEAF_MS }
  }
}

function isBelowLocalhost(name: string): boolean {
  return name.length <= MAX_NAME && NAME.test(name)
}
