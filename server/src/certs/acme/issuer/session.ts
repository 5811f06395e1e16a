// Signed requests to one CA on behalf of one account: nonces, and what is asked again when one is refused (RFC 8555, 6.5).
import type { Account, AccountBinding } from '../types.ts'
import type { CaAnswer } from './answer.ts'
import type { Directory } from './directory.ts'
import { Failed, failedAt } from './failed.ts'
import { bindingOf, type Signer, signerOf } from './jws.ts'
import { patiently, pauseFor } from './patience.ts'
import type { Transport } from './transport.ts'

/** A CA may refuse nonces for no reason that a client can see, and nine of ten in a test. */
const MAX_NONCES = 100
/** From this refusal on with a pause, so that a CA that refuses all is not flooded. */
const BRISK_NONCES = 10
const NONCE_PAUSE_MS = 100

export interface SessionOptions {
  readonly transport: Transport
  readonly directory: Directory
  readonly account: Account
  readonly eab?: AccountBinding | undefined
  /** Of the order, for words. */
  readonly names: readonly string[]
  readonly signal: AbortSignal
}

/** What every request is about. */
export interface Posted {
  readonly stage: string
  readonly url: string
  /** '' reads (POST-as-GET), and is asked again when there is no answer. */
  readonly payload: string
  /** The name that it is about, where it is one. */
  readonly name?: string
}

/** An account at a CA. */
export class Session {
  readonly signer: Signer
  accountUrl = ''
  private readonly options: SessionOptions
  private nonce = ''

  constructor(options: SessionOptions) {
    this.options = options
    this.signer = signerOf(options.account.key)
  }

  /** Finds or makes the account of this key. */
  async register(): Promise<void> {
    const { directory, account, eab } = this.options
    const url = directory.newAccount
    const payload = JSON.stringify({
      termsOfServiceAgreed: true,
      ...(account.email === '' ? {} : { contact: [`mailto:${account.email}`] }),
      ...(eab === undefined ? {} : { externalAccountBinding: bindingOf(eab, url, this.signer.jwk) }),
    })
    const { headers } = await this.post({ stage: 'newAccount', url, payload })
    const { location = '' } = headers
    if (location === '') {
      throw new Failed({ code: 'unreachable', stage: 'newAccount', message: 'the CA gave the account no address' })
    }
    this.accountUrl = location
  }

  /** An answer below 400; rejects with Failed for others and for none. */
  async post(posted: Posted): Promise<CaAnswer> {
    if (posted.payload !== '') return await this.postOnce(posted)
    return await patiently(this.options.signal, () => this.postOnce(posted))
  }

  private async postOnce({ stage, url, payload, name }: Posted): Promise<CaAnswer> {
    const { transport, signal, names } = this.options
    const identity = stage === 'newAccount' ? { jwk: this.signer.jwk } : { kid: this.accountUrl }
    for (let tries = 1; ; tries += 1) {
      const nonce = await this.takeNonce()
      const body = this.signer.sign({ ...identity, nonce, url }, payload)
      const answer = await transport.ask({ method: 'POST', url, body, stage, signal })
      this.keepNonce(answer)
      if (answer.status < 400) return answer
      const failed = failedAt(stage, answer, names, name)
      if (failed.failure.type !== 'badNonce' || tries === MAX_NONCES) throw failed
      if (tries >= BRISK_NONCES) await pauseFor(NONCE_PAUSE_MS, signal)
    }
  }

  private async takeNonce(): Promise<string> {
    const kept = this.nonce
    this.nonce = ''
    if (kept !== '') return kept
    const { transport, directory, signal } = this.options
    const stage = 'newNonce'
    return await patiently(signal, async () => {
      const answer = await transport.ask({ method: 'HEAD', url: directory.newNonce, stage, signal })
      if (answer.status >= 400) throw failedAt(stage, answer, [])
      this.keepNonce(answer)
      const given = this.nonce
      this.nonce = ''
      if (given === '') throw new Failed({ code: 'unreachable', stage, message: 'the CA gave no nonce' })
      return given
    })
  }

  private keepNonce({ headers }: CaAnswer): void {
    const { 'replay-nonce': nonce = '' } = headers
    // RFC 8555, 6.5.1: base64url, and nothing else.
    this.nonce = /^[\w-]{1,1000}$/.test(nonce) ? nonce : ''
  }
}
