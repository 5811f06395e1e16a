// One order at the CA (RFC 8555, 7.4), step by step as the library asks for the steps. What the CA says is read and checked here.
import type { IssueRequest } from '../types.ts'
import { asObject, asText, type CaAnswer, objectIn, retryAfterOf } from './answer.ts'
import { certificateRequest } from './csr.ts'
import type { Directory } from './directory.ts'
import { Failed, reasonIn } from './failed.ts'
import { txtValueOf } from './jws.ts'
import { pauseFor } from './patience.ts'
import type { AuthorizationView, OrderView, StatusView, Verb } from './runner/messages.ts'
import type { Posted, Session } from './session.ts'

/** Pauses between questions for what the CA has not decided yet: ever longer, and never shorter than it asks for. */
const FIRST_POLL_MS = 200
const MAX_POLL_MS = 5_000
const MAX_ASKED_POLL_MS = 60_000
/** RFC 8555, 8.3: base64url. It becomes part of a path. */
const TOKEN = /^[\w-]{1,200}$/
const MAX_AUTHORIZATIONS = 100
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** ACME's words for our kinds of proof. */
export const CHALLENGES = { http: 'http-01', delegated: 'dns-01' } as const

export type OrderRequest = Pick<
  IssueRequest,
  'names' | 'key' | 'proof' | 'replaces' | 'profile' | 'challenges' | 'onStage' | 'signal'
>

/** The steps of one order. Each rejects with Failed. */
export class Order {
  /** PEM, leaf first; '' until it is there. */
  chain = ''
  readonly csr: Buffer
  private readonly session: Session
  private readonly directory: Directory
  private readonly request: OrderRequest
  private url = ''
  /** Names (without `*.`) by the token of their challenge, and by its URL. */
  private readonly nameOf = new Map<string, string>()
  private readonly placed = new Map<string, string>()
  private pauseMs = FIRST_POLL_MS
  private askedPauseMs = 0
  private current = ''
  private isFinalized = false

  constructor(session: Session, directory: Directory, request: OrderRequest) {
    this.session = session
    this.directory = directory
    this.request = request
    this.csr = certificateRequest(request.names, request.key)
  }

  /** What is under way or was last. */
  get stage(): string {
    return this.current
  }

  private set stage(stage: string) {
    if (stage === this.current) return
    this.current = stage
    this.request.onStage?.(stage)
  }

  /** What the library asks for. */
  async run(verb: Verb, argument: string): Promise<unknown> {
    switch (verb) {
      case 'register':
        this.stage = 'newAccount'
        await this.session.register()
        return this.session.accountUrl
      case 'order':
        return await this.order()
      case 'authorize':
        return await this.authorize(argument)
      case 'put':
        return await this.put(argument)
      case 'remove':
        return await this.remove(argument)
      case 'answer':
        return await this.challenge(argument, '{}')
      case 'poll-challenge':
        await this.pause()
        return await this.challenge(argument, '')
      case 'finalize':
        return await this.finalize(argument)
      case 'poll-order':
        await this.pause()
        return await this.poll()
      case 'certificate':
        return await this.certificate(argument)
    }
  }

  /** Removes every answer that is still in its place. */
  async clear(): Promise<void> {
    for (const token of [...this.placed.keys()]) await this.remove(token)
  }

  private async order(): Promise<OrderView> {
    const { names, replaces, profile } = this.request
    const identifiers = names.map(value => ({ type: 'dns', value }))
    const wish = { identifiers, ...(profile === undefined ? {} : { profile }) }
    const post = (payload: object) =>
      this.post({ stage: 'newOrder', url: this.directory.newOrder, payload: JSON.stringify(payload) })
    const isReplacing = replaces !== undefined && this.directory.renewalInfo !== ''
    const answer = await post(isReplacing ? { ...wish, replaces } : wish).catch(error => {
      // Somebody else has replaced that certificate, or the CA does not know it as ours (RFC 9773, 5): an order like any other.
      if (isReplacing && error instanceof Failed && isAboutReplacing(error)) return post(wish)
      throw error
    })
    this.url = answer.headers.location ?? ''
    return this.orderIn(answer)
  }

  private async authorize(url: string): Promise<AuthorizationView> {
    const answer = await this.post({ stage: 'authorization', url, payload: '' })
    const given = this.objectOf(answer)
    const name = asText(asObject(given.identifier)?.value)
    const isWildcard = given.wildcard === true
    const full = `${isWildcard ? '*.' : ''}${name}`
    if (!this.request.names.includes(full)) throw this.unreadable(`an authorization for "${full.slice(0, 253)}"`)
    const listed: readonly unknown[] = Array.isArray(given.challenges) ? given.challenges : []
    const offered = listed.map(asObject).filter(each => each !== undefined)
    const failed = offered.find(each => each.status === 'invalid')
    this.refuseInvalid(given, full, failed?.error)
    if (given.status === 'valid') return { name, isWildcard, isValid: true, url: '', token: '' }
    const wanted = CHALLENGES[this.request.proof]
    const challenge = offered.find(each => each.type === wanted)
    if (challenge === undefined) {
      const types = offered.map(each => asText(each.type).slice(0, 50)).join(', ')
      const message = `the CA does not offer ${wanted} for ${full}; it offers ${types || 'nothing'}`
      throw new Failed({ code: 'ca', stage: this.stage, name: full, message })
    }
    const token = asText(challenge.token)
    if (!TOKEN.test(token)) throw this.unreadable(`a token that is none for ${full}`)
    this.nameOf.set(token, name).set(asText(challenge.url), full)
    return { name, isWildcard, isValid: false, url: asText(challenge.url), token }
  }

  private async put(token: string): Promise<void> {
    const { challenges, proof } = this.request
    const name = this.nameOf.get(token)
    if (name === undefined) throw new Failed({ code: 'process', stage: this.stage, message: 'an unknown token' })
    const authorization = this.session.signer.keyAuthorization(token)
    this.placed.set(token, name)
    await challenges.put(proof, name, token, proof === 'http' ? authorization : txtValueOf(authorization))
  }

  private async remove(token: string): Promise<void> {
    const name = this.placed.get(token)
    if (name === undefined) return
    await this.request.challenges.remove(this.request.proof, name, token)
    this.placed.delete(token)
  }

  private async challenge(url: string, payload: '{}' | ''): Promise<StatusView> {
    const name = this.nameOf.get(url) ?? ''
    if (payload !== '') this.pauseMs = FIRST_POLL_MS
    const answer = await this.post({ stage: 'challenge', url, payload, name })
    const given = this.objectOf(answer)
    this.refuseInvalid(given, name, given.error)
    return { status: given.status === 'valid' ? 'valid' : 'processing' }
  }

  /** An order may take a moment from its last authorization until it is ready. */
  private async finalize(url: string): Promise<OrderView> {
    this.pauseMs = FIRST_POLL_MS
    while ((await this.poll()).status === 'processing') await this.pause()
    this.pauseMs = FIRST_POLL_MS
    const payload = JSON.stringify({ csr: this.csr.toString('base64url') })
    this.isFinalized = true
    const view = this.orderIn(await this.post({ stage: 'finalize', url, payload }))
    return view.status === 'valid' ? view : { ...view, status: 'processing' }
  }

  private async poll(): Promise<OrderView> {
    const stage = this.isFinalized ? 'finalize' : 'order'
    return this.orderIn(await this.post({ stage, url: this.url, payload: '' }))
  }

  private async certificate(url: string): Promise<string> {
    const { body } = await this.post({ stage: 'certificate', url, payload: '' })
    const certificates = body.match(CERTIFICATES) ?? []
    if (certificates.length === 0) throw this.unreadable('no certificate where it is to be')
    this.chain = `${certificates.join('\n')}\n`
    return this.chain
  }

  private async post(posted: Posted): Promise<CaAnswer> {
    this.stage = posted.stage
    const answer = await this.session.post(posted)
    this.askedPauseMs = Math.min(retryAfterOf(answer) ?? 0, MAX_ASKED_POLL_MS)
    return answer
  }

  private async pause(): Promise<void> {
    await pauseFor(Math.max(this.pauseMs, this.askedPauseMs), this.request.signal)
    this.pauseMs = Math.min(this.pauseMs * 1.6, MAX_POLL_MS)
  }

  private orderIn(answer: CaAnswer): OrderView {
    const given = this.objectOf(answer)
    this.refuseInvalid(given, '', given.error)
    const authorizations = (Array.isArray(given.authorizations) ? given.authorizations : []).map(asText)
    if (authorizations.length === 0 || authorizations.length > MAX_AUTHORIZATIONS || this.url === '') {
      throw this.unreadable('an order without address or authorizations')
    }
    return {
      url: this.url,
      status: given.status === 'valid' || given.status === 'ready' ? given.status : 'processing',
      finalize: asText(given.finalize),
      authorizations,
      certificate: asText(given.certificate),
    }
  }

  private refuseInvalid(given: Readonly<Record<string, unknown>>, name: string, error: unknown): void {
    const { status } = given
    if (status !== 'invalid' && status !== 'deactivated' && status !== 'expired' && status !== 'revoked') return
    const { names } = this.request
    const fallback = { detail: `the CA calls it ${status}` }
    throw new Failed({ ...reasonIn(asObject(error) ?? fallback, names, name), stage: this.stage })
  }

  private objectOf({ body }: CaAnswer): Readonly<Record<string, unknown>> {
    const given = objectIn(body)
    if (given === undefined) throw this.unreadable('nothing that can be read')
    return given
  }

  private unreadable(what: string): Failed {
    return new Failed({ code: 'unreachable', stage: this.stage, message: `the CA gave ${what}` })
  }
}

function isAboutReplacing({ failure }: Failed): boolean {
  return failure.code === 'ca' && (failure.type === 'alreadyReplaced' || /replac/i.test(failure.message))
}
