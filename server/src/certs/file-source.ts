// Certificates from the owner's files: checked at start, read again when they change. One that cannot be used stops no other.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, type StatsListener, unwatchFile, watchFile } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { systemCodeOf } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import type { CertificatePair } from '../relay/keyring.ts'
import { type CertificateEnd, MIN_TLS_VERSION, type Source } from './source.ts'

/** How often the files are looked at, milliseconds. Polling also notices a link that leads elsewhere now. */
const LOOK_MS = 10_000

/** The owner is told in the log when a certificate expires sooner. */
const WARN_BEFORE_MS = 14 * 24 * 3_600_000

/** As Node writes alternative names: `DNS:a.test, DNS:*.a.test`. */
const FIRST_NAME = /(?:DNS|IP Address):([^,]+)/

/** Paths of two PEM files: the certificate chain and its private key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

interface Pair extends CertificatePair {
  readonly certificate: X509Certificate
  readonly context: SecureContext
}

/** A pair of files: what is served of them, and what is wrong with them now. */
interface Entry {
  readonly files: CertificateFiles
  pair: Pair | undefined
  fault: string | undefined
}

/** Which files are read, and what is called when they have changed. */
export interface FileSourceOptions {
  readonly files: readonly CertificateFiles[]
  readonly baseDomain: string
  readonly log: Log
  /** The files were read again. */
  readonly changed: () => void
}

/** Serves certificates from files. While a changed file cannot be used, the certificate read before stays in use. */
export class FileSource implements Source {
  private readonly options: FileSourceOptions
  private readonly entries: readonly Entry[]
  private readonly changed: StatsListener = (now, before) => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) this.reload()
  }

  /** Watches the files until `close`. */
  constructor(options: FileSourceOptions) {
    const { files } = options
    this.options = options
    this.entries = files.map(files => ({ files, pair: undefined, fault: undefined }))
    for (const entry of this.entries) this.read(entry)
    for (const { certificate, key } of files) {
      watchFile(certificate, { interval: LOOK_MS, persistent: false }, this.changed)
      watchFile(key, { interval: LOOK_MS, persistent: false }, this.changed)
    }
  }

  contextFor(serverName: string): SecureContext | undefined {
    return this.pairFor(serverName)?.context
  }

  /** A wildcard alone does not hold for the base domain itself. */
  get unnamed(): Pair | undefined {
    return this.pairFor(this.options.baseDomain) ?? this.pairFor(`link.${this.options.baseDomain}`)
  }

  covers(serverName: string | undefined, host: string): boolean {
    const pair = serverName === undefined ? this.unnamed : this.pairFor(serverName)
    return pair !== undefined && holdsFor(pair, host)
  }

  get ends(): CertificateEnd[] {
    return this.pairs.map(({ certificate }) => {
      const at = certificate.validToDate.getTime()
      const name = FIRST_NAME.exec(certificate.subjectAltName ?? '')?.[1] ?? ''
      return { name, at, lateAt: at - WARN_BEFORE_MS, isAutomatic: false }
    })
  }

  /** The names of each certificate that is served. */
  get names(): string[] {
    return this.pairs.map(({ certificate }) => certificate.subjectAltName ?? 'no names')
  }

  private get link(): string {
    return `link.${this.options.baseDomain}`
  }

  get faults(): string[] {
    return this.entries.flatMap(({ fault }) => fault ?? [])
  }

  reload(): void {
    for (const entry of this.entries) this.read(entry)
    this.options.log.info('certificates reloaded', { files: this.entries.map(({ files }) => files.certificate) })
    this.options.changed()
  }

  close(): void {
    for (const { files } of this.entries) {
      unwatchFile(files.certificate, this.changed)
      unwatchFile(files.key, this.changed)
    }
  }

  private get pairs(): Pair[] {
    return this.entries.flatMap(({ pair }) => pair ?? [])
  }

  private pairFor(name: string): Pair | undefined {
    return this.entries.find(({ pair }) => pair !== undefined && holdsFor(pair, name))?.pair
  }

  /** Without the name that the former one holds for no client could connect any more. */
  private isLosing(entry: Entry, pair: Pair): boolean {
    if (this.pairFor(this.link) !== entry.pair || entry.pair === undefined || holdsFor(pair, this.link)) return false
    return !this.entries.some(other => other !== entry && other.pair !== undefined && holdsFor(other.pair, this.link))
  }

  /** What cannot be used leaves what was there before. */
  private read(entry: Entry): void {
    const { files } = entry
    try {
      const pair = readPair(files)
      if (this.isLosing(entry, pair)) throw new Error(`it does not cover ${this.link}, which clients connect to`)
      entry.pair = pair
      entry.fault = undefined
      const { certificate } = entry.pair
      if (certificate.validToDate.getTime() - Date.now() > WARN_BEFORE_MS) return
      this.options.log.warn('certificate expires soon', {
        names: certificate.subjectAltName,
        validTo: certificate.validTo,
      })
    } catch (cause) {
      const why = systemCodeOf(cause) === 'ENOENT' || !(cause instanceof Error) ? String(cause) : cause.message
      entry.fault = `certificate ${files.certificate} with key ${files.key} cannot be used: ${why}`
      // Certificate and key are seldom replaced in the same instant; the change of the second one comes here again.
      const instead = entry.pair === undefined ? 'its names have no certificate' : 'the previous one is still served'
      this.options.log.error(`certificate cannot be used, ${instead}`, { ...files, reason: why })
    }
  }
}

function readPair({ certificate: certificateFile, key: keyFile }: CertificateFiles): Pair {
  const cert = readFileSync(certificateFile)
  const key = readFileSync(keyFile)
  const certificate = new X509Certificate(cert)
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the key belongs to another certificate')
  const now = Date.now()
  if (certificate.validToDate.getTime() < now) throw new Error(`it expired on ${certificate.validTo}`)
  if (certificate.validFromDate.getTime() > now) throw new Error(`it is valid only from ${certificate.validFrom}`)
  return { cert, key, certificate, context: createSecureContext({ cert, key, minVersion: MIN_TLS_VERSION }) }
}

function holdsFor({ certificate }: Pair, name: string): boolean {
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}
