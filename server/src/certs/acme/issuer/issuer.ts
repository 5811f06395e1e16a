// Obtains certificates from a CA: one order, from account to chain, with the library in a process of its own.
import type { LookupFunction } from 'node:net'
import type { Log } from '../../../observe/log.ts'
import { rememberedTrust, type Trust } from '../trust.ts'
import type { Issued, IssueFailure, IssueRequest, Issuer } from '../types.ts'
import { renewalInfo } from './ari.ts'
import { runLibrary } from './child.ts'
import { type Directory, fetchDirectory } from './directory.ts'
import { Failed } from './failed.ts'
import { CHALLENGES, Order } from './order.ts'
import { Session } from './session.ts'
import { openTransport, type Transport } from './transport.ts'

export interface IssuerOptions {
  /** What the CA is told about who asks, for example `pbt-server/1.2.3`. */
  readonly userAgent: string
  readonly log: Log
  /** How the CA's name becomes an address; the system's way by default. */
  readonly lookup?: LookupFunction
  /** For one order; some CAs take minutes to look everywhere. */
  readonly deadlineMs?: number
  /** Another program in place of the library's. */
  readonly runner?: string
}

const DEADLINE_MS = 5 * 60_000
/** Names that a CA takes for one certificate, at least. */
const MAX_NAMES = 100

/** Each order is on its own; how many there are at once is for the caller to limit. */
export function openIssuer(options: IssuerOptions): Issuer {
  const trust = rememberedTrust()
  return {
    issue: async request => {
      const deadline = AbortSignal.timeout(options.deadlineMs ?? DEADLINE_MS)
      const attempt = new Attempt(request, { ...options, trust }, AbortSignal.any([request.signal, deadline]))
      const result = await attempt.run()
      if (!result.isIssued && request.signal.aborted) {
        return { ...result, code: 'stopped', type: '', message: 'stopped before it was done' }
      }
      if (!result.isIssued && deadline.aborted) {
        return {
          ...result,
          code: 'timeout',
          message: `nothing was decided in time (${result.stage || 'at the start'})`,
        }
      }
      return result
    },
    renewalInfo: async (authority, chain, signal) => {
      const transport = openTransport({ authority, userAgent: options.userAgent, lookup: options.lookup, trust })
      try {
        return await renewalInfo(transport, authority.directory, chain, signal)
      } finally {
        transport.close()
      }
    },
  }
}

class Attempt {
  private readonly request: IssueRequest
  private readonly options: IssuerOptions & { readonly trust: Trust }
  private readonly signal: AbortSignal
  private stage = 'directory'

  constructor(request: IssueRequest, options: IssuerOptions & { readonly trust: Trust }, signal: AbortSignal) {
    this.request = request
    this.options = options
    this.signal = signal
  }

  async run(): Promise<Issued | IssueFailure> {
    const { directory, ca } = this.request
    let transport: Transport | undefined
    try {
      if (this.request.names.length === 0 || this.request.names.length > MAX_NAMES)
        throw new Error('no names, or too many')
      transport = openTransport({ authority: { directory, ca }, ...this.options })
      const places = await fetchDirectory(transport, directory, this.signal)
      this.checkProfile(places)
      try {
        return await this.order(transport, places)
      } catch (error) {
        // A CA that has lost its accounts, as Pebble does at each start: once more, with a new one.
        if (!(error instanceof Failed) || error.failure.type !== 'accountDoesNotExist') throw error
        return await this.order(transport, places)
      }
    } catch (error) {
      if (error instanceof Failed) return error.failure
      if (!this.signal.aborted) this.options.log.error('issuance broke', { error, stage: this.stage })
      const message = error instanceof Error ? error.message : String(error)
      return new Failed({ code: 'process', stage: this.stage, message }).failure
    } finally {
      transport?.close()
    }
  }

  private async order(transport: Transport, directory: Directory): Promise<Issued> {
    const { request, signal } = this
    const { names, account, eab, proof } = request
    const session = new Session({ transport, directory, account, eab, names, signal })
    const order = new Order(session, directory, { ...request, signal })
    const job = {
      directory: request.directory,
      newAccount: directory.newAccount,
      newOrder: directory.newOrder,
      names,
      challenge: CHALLENGES[proof],
      csr: order.csr.toString('base64url'),
      userAgent: this.options.userAgent,
    }
    try {
      const handle = (verb: Parameters<Order['run']>[0], argument: string) => order.run(verb, argument)
      await runLibrary({ job, handle, signal, runner: this.options.runner })
    } finally {
      this.stage = order.stage
      await order.clear().catch(error => this.options.log.error('answers to challenges were left', { error, names }))
    }
    if (order.chain === '') {
      throw new Failed({
        code: 'process',
        stage: this.stage,
        message: 'the issuing process ended without a certificate',
      })
    }
    return { isIssued: true, chain: order.chain, accountUrl: session.accountUrl }
  }

  private checkProfile({ profiles }: Directory): void {
    const { profile } = this.request
    if (profile === undefined || profiles.includes(profile)) return
    const message = `the CA has no profile "${profile}"; it has ${profiles.slice(0, 20).join(', ') || 'none'}`
    throw new Failed({ code: 'ca', type: 'invalidProfile', stage: 'directory', message })
  }
}
