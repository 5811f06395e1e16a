// Certificates from the owner's files: checked at start, read again when they change.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, type StatsListener, unwatchFile, watchFile } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { Failure, systemCodeOf } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import { type CertificatePair, type ContextCallback, type Keyring, MIN_TLS_VERSION } from './keyring.ts'

/** How often the files are looked at, milliseconds. Polling also notices a link that leads elsewhere now. */
const LOOK_MS = 10_000

/** The owner is told in the log when a certificate ends sooner. */
const WARN_BEFORE_MS = 14 * 24 * 3_600_000

/** As Node writes alternative names: `DNS:a.test, DNS:*.a.test`. */
const FIRST_NAME = /(?:DNS|IP Address):([^,]+)/

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

interface Pair extends CertificatePair {
  readonly certificate: X509Certificate
  readonly context: SecureContext
}

export class FileKeyring implements Keyring {
  readonly authorityFile = undefined
  private readonly files: readonly CertificateFiles[]
  private readonly baseDomain: string
  private readonly log: Log
  private pairs: readonly Pair[]
  /** Serves whoever names nobody. */
  private basePair: Pair | undefined
  private readonly changed: StatsListener = (now, before) => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) this.reload()
  }

  /** Throws Failure `certificate` for the first pair that is not right. Watches the files until `close`. */
  constructor(files: readonly CertificateFiles[], baseDomain: string, log: Log) {
    this.files = files
    this.baseDomain = baseDomain
    this.log = log
    this.pairs = this.read()
    this.basePair = this.findBasePair()
    for (const { certificate, key } of files) {
      watchFile(certificate, { interval: LOOK_MS, persistent: false }, this.changed)
      watchFile(key, { interval: LOOK_MS, persistent: false }, this.changed)
    }
  }

  contextFor(servername: string, call: ContextCallback): void {
    call(null, this.pairFor(servername)?.context)
  }

  get unnamed(): CertificatePair | undefined {
    return this.basePair
  }

  covers(servername: string | undefined, host: string): boolean {
    const pair = servername === undefined ? this.basePair : this.pairFor(servername)
    return pair !== undefined && holdsFor(pair, host)
  }

  get ends() {
    return this.pairs.map(({ certificate }) => ({
      name: FIRST_NAME.exec(certificate.subjectAltName ?? '')?.[1] ?? '',
      at: certificate.validToDate.getTime(),
    }))
  }

  reload(): void {
    try {
      this.pairs = this.read()
      this.basePair = this.findBasePair()
      this.log.info('certificates read again', { files: this.files.map(({ certificate }) => certificate) })
    } catch (error) {
      // Certificate and key are seldom replaced in the same instant; the change of the second one comes here again.
      this.log.error('certificates not read again, the former ones go on', { error })
    }
  }

  close(): void {
    for (const { certificate, key } of this.files) {
      unwatchFile(certificate, this.changed)
      unwatchFile(key, this.changed)
    }
  }

  private pairFor(name: string): Pair | undefined {
    return this.pairs.find(pair => holdsFor(pair, name))
  }

  /** A wildcard alone does not hold for the base domain itself. */
  private findBasePair(): Pair | undefined {
    return this.pairFor(this.baseDomain) ?? this.pairFor(`link.${this.baseDomain}`)
  }

  private read(): Pair[] {
    const pairs = this.files.map(readPair)
    this.checkNames(pairs)
    for (const { certificate } of pairs) {
      if (certificate.validToDate.getTime() - Date.now() > WARN_BEFORE_MS) continue
      this.log.warn('certificate ends soon', { names: certificate.subjectAltName, validTo: certificate.validTo })
    }
    return pairs
  }

  private checkNames(pairs: readonly Pair[]): void {
    const link = `link.${this.baseDomain}`
    if (!pairs.some(pair => holdsFor(pair, link))) {
      const names = pairs.map(({ certificate }) => certificate.subjectAltName ?? 'no names').join('; ')
      throw new Failure(
        'certificate',
        `no certificate holds for ${link}, which clients connect to (there is: ${names})`,
        {
          cure: `add a certificate for ${this.baseDomain} and *.${this.baseDomain} to tls-cert and tls-key`,
        },
      )
    }
  }
}

function readPair({ certificate: certificateFile, key: keyFile }: CertificateFiles): Pair {
  try {
    const cert = readFileSync(certificateFile)
    const key = readFileSync(keyFile)
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the key belongs to another certificate')
    const now = Date.now()
    if (certificate.validToDate.getTime() < now) throw new Error(`it expired on ${certificate.validTo}`)
    if (certificate.validFromDate.getTime() > now) throw new Error(`it is valid only from ${certificate.validFrom}`)
    return { cert, key, certificate, context: createSecureContext({ cert, key, minVersion: MIN_TLS_VERSION }) }
  } catch (cause) {
    const why = systemCodeOf(cause) === 'ENOENT' || !(cause instanceof Error) ? String(cause) : cause.message
    throw new Failure('certificate', `certificate ${certificateFile} with key ${keyFile} cannot be used: ${why}`, {
      cure: 'name a valid certificate chain in PEM with tls-cert, and its own key with tls-key',
      cause,
    })
  }
}

function holdsFor({ certificate }: Pair, name: string): boolean {
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}
