// Why a visitor gets what they get: the way to an address, step by step, with what is found at each and the cure of the first that fails.
import { bareAddress } from '@pbt/proto'
import { Allowlist } from '../access/allowlist.ts'
import { nearestEntry } from '../access/nearest-entry.ts'
import { Failure } from '../failure.ts'
import { type Address, hostOf, keptAddress, type Protocol, parseAddress } from '../relay/address.ts'
import type { KeptAddress } from './addresses.ts'
import { inUsage } from './allowlist.ts'
import type { DomainCheck } from './domains.ts'
import type { Check } from './server-info.ts'

/** A tunnel, as far as a visitor's way leads through it. */
export interface ExplainedTunnel {
  readonly name: string
  readonly state: 'online' | 'awaited' | 'offline' | 'paused' | 'killed'
  /** Why it is in this state, '' when there is nothing to say. */
  readonly reason: string
  readonly clientLabel: string
  readonly target: string
  /** What the client last saw of the target. */
  readonly health: { readonly answers: boolean; readonly message: string; readonly at: Date } | undefined
}

/** What a server that runs can be asked. */
export interface RunningSights {
  /** Whether a certificate is there for a host. */
  covers(host: string): boolean
  /** Why none is there for an address, and what to do. */
  waitingAt(address: string): { readonly reason: string; readonly cure: string } | undefined
  /** The port of names. */
  httpsPort(): number
  listens(protocol: Protocol, number: number): boolean
}

/** What the steps look at. */
export interface ExplainOptions {
  readonly baseDomain: string
  /** Every address that is kept. */
  readonly addresses: () => Promise<readonly KeptAddress[]>
  readonly tunnel: (name: string) => Promise<ExplainedTunnel | undefined>
  /** Undefined: no server runs here. */
  readonly running: RunningSights | undefined
  /** Where a name leads by the name service. Rejects when it leads nowhere. */
  readonly resolve: (host: string) => Promise<readonly string[]>
  /** What the certificate of a custom domain needs, one after the other. Rejects with Failure. */
  readonly domainSteps: (name: string) => AsyncIterable<DomainCheck>
  /** Under which this machine is reached from outside, as far as that was said. */
  readonly publicAddresses: readonly string[]
}

/** The way of a visitor, and how it ends. */
export interface Explained {
  readonly checks: readonly Check[]
  /** What such a visitor gets, as a sentence. */
  readonly verdict: string
  readonly isReachable: boolean
}

/** Only looks; nothing is changed, and no visitor is sent. */
export class ExplainVerb {
  private readonly options: ExplainOptions

  constructor(options: ExplainOptions) {
    this.options = options
  }

  /** `text`: an address or a URL, or the name of a tunnel that has another address. `peer`: the visitor's address, '' for one that may come. Rejects with Failure `usage`. */
  async explain(text: string, peer = ''): Promise<Explained> {
    const asked = inUsage(() => parseAddress(text, this.options.baseDomain))
    const visitor = bareAddress(peer.trim())
    if (peer !== '') checkPeer(visitor)
    const all = await this.options.addresses()
    const other = this.keptFor(asked, all) === undefined ? all.find(({ tunnel }) => tunnel === text.trim()) : undefined
    const address = other === undefined ? asked : parseAddress(other.address, this.options.baseDomain)
    const kept = this.keptFor(address, all)
    const tunnel = kept === undefined || kept.tunnel === '' ? undefined : await this.options.tunnel(kept.tunnel)
    const checks = [
      nameCheck(address, kept),
      ...(await this.dnsChecks(address)),
      this.portCheck(address),
      this.certificateCheck(address),
      tunnelCheck(kept, tunnel),
      allowlistCheck(kept, visitor),
      clientCheck(tunnel, this.options.running !== undefined),
      targetCheck(tunnel),
    ]
    const first = checks.find(({ state }) => state === 'failed')
    const verdict = verdictOf(visitor === '' ? 'A visitor who is allowed' : visitor, tunnel, first)
    return { checks, verdict, isReachable: first === undefined }
  }

  /** A name that is kept goes before a wildcard that stands for it. */
  private keptFor(address: Address, all: readonly KeptAddress[]): KeptAddress | undefined {
    const exact = all.find(each => each.address === address.text)
    if (exact !== undefined || 'number' in address) return exact
    const { baseDomain } = this.options
    return all.find(each => {
      if (!each.address.startsWith('*.')) return false
      const wildcard = keptAddress(each.address, baseDomain)
      return address.key.slice(address.key.indexOf('.')) === wildcard.key.slice(1)
    })
  }

  /** Of a custom domain without a certificate: all that this one needs, which is more than visitors need. */
  private async dnsChecks(address: Address): Promise<Check[]> {
    const { running, domainSteps } = this.options
    const isCustom = !('number' in address) && address.kind === 'domain'
    if (!isCustom || running === undefined || running.covers(hostOf(address))) return [await this.dnsCheck(address)]
    const found: Check[] = []
    for await (const { step, state, message, cure } of domainSteps(address.text))
      found.push({ step, state: state === 'waiting' ? 'failed' : state, message, cure })
    return found
  }

  private async dnsCheck(address: Address): Promise<Check> {
    const step = 'dns'
    const host = 'number' in address ? this.options.baseDomain : hostOf(address)
    if (host === 'localhost' || host.endsWith('.localhost')) {
      return { step, state: 'ok', message: `${host} is this machine itself`, cure: '' }
    }
    let found: readonly string[]
    try {
      found = await this.options.resolve(host)
    } catch (error) {
      const cure = `create an A record (and AAAA) for ${host} that leads to this server`
      return { step, state: 'failed', message: `${host} does not resolve (${codeOf(error)})`, cure }
    }
    const { publicAddresses } = this.options
    const list = found.join(', ')
    if (publicAddresses.length === 0) {
      return {
        step,
        state: 'not-checked',
        message: `${host} resolves to ${list}; whether that is this server is not known`,
        cure: 'set public-address',
      }
    }
    const elsewhere = found.filter(each => !publicAddresses.includes(each))
    if (elsewhere.length === 0) return { step, state: 'ok', message: `${host} resolves to ${list}`, cure: '' }
    const message = `${host} resolves to ${elsewhere.join(', ')}, not to this server (${publicAddresses.join(', ')})`
    return {
      step,
      state: 'failed',
      message,
      cure: `change the DNS record of ${host}, or public-address if the record is right`,
    }
  }

  private portCheck(address: Address): Check {
    const step = 'port'
    const { running } = this.options
    if (running === undefined) return notChecked(step, NOT_RUNNING)
    if (!('number' in address))
      return { step, state: 'ok', message: `the server listens on port ${running.httpsPort()}`, cure: '' }
    const { kind, number } = address
    const what = `${kind.toUpperCase()} port ${number}`
    if (running.listens(kind, number)) return { step, state: 'ok', message: `the server listens on ${what}`, cure: '' }
    const cure = 'open a tunnel for it, widen port-range, or end the program that uses the port; the log says which'
    return { step, state: 'failed', message: `the server does not listen on ${what}`, cure }
  }

  private certificateCheck(address: Address): Check {
    const step = 'certificate'
    if ('number' in address) return { step, state: 'ok', message: 'a port needs none', cure: '' }
    const host = hostOf(address)
    const { running } = this.options
    if (running === undefined) return notChecked(step, NOT_RUNNING)
    if (running.covers(host)) return { step, state: 'ok', message: `a certificate covers ${host}`, cure: '' }
    const why = running.waitingAt(address.text)
    const cure = why?.cure || `add a certificate for ${address.text} to tls-cert and tls-key`
    const message = why === undefined || why.reason === '' ? '' : `: ${why.reason}`
    return { step, state: 'failed', message: `no certificate covers ${host}${message}`, cure }
  }
}

const NOT_RUNNING = 'no server runs on this data directory'

function verdictOf(who: string, tunnel: ExplainedTunnel | undefined, stop: Check | undefined): string {
  if (stop === undefined) return `${who} reaches ${tunnel?.target ?? 'the target'}.`
  // Whom it is about is said once.
  const why = stop.message.startsWith(`${who} is `) ? stop.message.slice(`${who} is `.length) : stop.message
  return `${who} does not get through: ${why}${/[.?!]$/.test(why) ? '' : '.'}`
}

function nameCheck(address: Address, kept: KeptAddress | undefined): Check {
  const step = 'name'
  if (kept === undefined) {
    const what =
      'number' in address ? `${address.kind.toUpperCase()} port ${address.number}` : `the name ${address.text}`
    const cure =
      'number' in address
        ? `pbt ${address.kind} PORT --reserve-port ${address.number}`
        : `pbt http PORT --domain ${address.text}`
    return { step, state: 'failed', message: `no tunnel has been opened for ${what}`, cure: `open one: ${cure}` }
  }
  const by = kept.address === address.text ? '' : ` (by ${kept.address})`
  return { step, state: 'ok', message: `${address.text} is kept${by}`, cure: '' }
}

function tunnelCheck(kept: KeptAddress | undefined, tunnel: ExplainedTunnel | undefined): Check {
  const step = 'tunnel'
  if (kept === undefined) return notChecked(step, 'no address, no tunnel')
  if (tunnel === undefined) {
    const cure = `open a tunnel that asks for it by name, or "pbt-server address map ${kept.address} TUNNEL"`
    return { step, state: 'failed', message: `${kept.address} is reserved, and no tunnel has it`, cure }
  }
  const { name, state, reason } = tunnel
  const why = reason === '' ? '' : `: ${reason}`
  if (state === 'paused') {
    return {
      step,
      state: 'failed',
      message: `you paused the tunnel "${name}"`,
      cure: `pbt-server tunnel resume ${name}`,
    }
  }
  if (state === 'killed') {
    const cure = `pbt-server tunnel start ${name}, or run its command again`
    return { step, state: 'failed', message: `you ended the tunnel "${name}"${why}`, cure }
  }
  return { step, state: 'ok', message: `the tunnel "${name}" has it`, cure: '' }
}

function allowlistCheck(kept: KeptAddress | undefined, visitor: string): Check {
  const step = 'allowlist'
  if (kept === undefined) return notChecked(step, 'no address, no list')
  const { access, clientBlocks, entries, address } = kept
  const blocks = access === 'listed' ? entries.map(({ block }) => block) : clientBlocks
  if (access === 'everybody' || (access === 'client' && blocks.length === 0)) {
    return { step, state: 'ok', message: 'everybody may visit', cure: '' }
  }
  const whose = access === 'listed' ? `the list of ${address}` : 'the client’s --allow'
  if (visitor === '') {
    if (blocks.length > 0)
      return notChecked(step, `${whose} has ${blocks.slice(0, 5).join(', ')}; name a visitor to check one`)
    return {
      step,
      state: 'failed',
      message: `${whose} is empty: nobody may visit`,
      cure: `pbt-server allow ${address} BLOCK`,
    }
  }
  const decided = blocks.find(block => new Allowlist([block]).allows(visitor))
  if (decided !== undefined) return { step, state: 'ok', message: `${whose} has ${decided}`, cure: '' }
  const nearest = nearestEntry(blocks, visitor)
  const most = nearest === '' ? '' : `; the nearest entry is ${nearest}`
  const message = `${visitor} is not on ${whose}${most}`
  return { step, state: 'failed', message, cure: `pbt-server allow ${address} --add ${visitor} --for 8h` }
}

function clientCheck(tunnel: ExplainedTunnel | undefined, isServed: boolean): Check {
  const step = 'client'
  if (tunnel === undefined) return notChecked(step, 'no tunnel, no client')
  const { state, clientLabel, reason } = tunnel
  const who = clientLabel === '' ? 'its client' : clientLabel
  if (state === 'awaited') {
    const cure = `look at "pbt status" on ${who}`
    return {
      step,
      state: 'failed',
      message: `${who} lost its link and is expected back${reason === '' ? '' : ` (${reason})`}`,
      cure,
    }
  }
  if (state === 'offline') {
    const message = reason.startsWith(`${who} is `)
      ? reason
      : `${who} is not connected${reason === '' ? '' : `: ${reason}`}`
    return { step, state: 'failed', message, cure: `run its command again on ${who}` }
  }
  if (state === 'killed') return notChecked(step, 'the tunnel is ended')
  // A paused tunnel has no other state, whether its client is there or not.
  if (!isServed) return notChecked(step, NOT_RUNNING)
  return { step, state: 'ok', message: `${who} is connected`, cure: '' }
}

function targetCheck(tunnel: ExplainedTunnel | undefined): Check {
  const step = 'target'
  if (tunnel === undefined) return notChecked(step, 'no tunnel, no target')
  const { health, target, clientLabel } = tunnel
  if (health === undefined) return notChecked(step, `the client has not said yet whether ${target} answers`)
  const at = `at ${health.at.toISOString().slice(0, 19)}Z`
  if (health.answers) return { step, state: 'ok', message: `${target} answered (${at})`, cure: '' }
  const message = `${target} does not answer: ${health.message} (${at})`
  return { step, state: 'failed', message, cure: `start the service on ${clientLabel || 'the client'}` }
}

function notChecked(step: string, message: string): Check {
  return { step, state: 'not-checked', message, cure: '' }
}

function checkPeer(peer: string): void {
  // What judges visitors judges this one too.
  inUsage(() => new Allowlist([peer]))
  if (!peer.includes('/')) return
  throw new Failure('usage', `"${peer}" is a block, and a visitor has one address`, { cure: 'for example 203.0.113.7' })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
