// The firewall of this machine, as far as it can be read: ufw and nftables. The provider's own is never seen from inside.
import { spawnSync } from 'node:child_process'
import { type Finding, failed, notChecked, ok } from './finding.ts'

const READ_MS = 5_000
const MAX_BYTES = 8 * 1024 * 1024

/** What has to be open, for both families. */
export interface Opening {
  readonly protocol: 'tcp' | 'udp'
  readonly first: number
  readonly last: number
}

/** Runs a program that only reads; undefined when it is not there or may not. */
export type Read = (program: string, args: readonly string[]) => string | undefined

/** Never throws. */
export function checkFirewall(
  openings: readonly Opening[],
  read: Read = readProgram,
  isRoot = process.geteuid?.() === 0,
): readonly Finding[] {
  return [ownFirewall(openings, read, isRoot), providers(openings)]
}

function ownFirewall(openings: readonly Opening[], read: Read, isRoot: boolean): Finding {
  const step = 'firewall'
  const ufw = read('ufw', ['status'])
  if (ufw !== undefined && /^Status: active/m.test(ufw)) {
    const missing = openings.filter(each => !ufwAllows(ufw, each))
    if (missing.length === 0) return ok(step, 'ufw lets visitors through')
    return failed(step, `ufw keeps visitors out: ${missing.map(textOf).join(', ')}`, missing.map(ufwCure).join('; '))
  }
  const nft = read('nft', ['--json', 'list', 'ruleset'])
  if (nft === undefined) {
    if (!isRoot) return notChecked(step, 'only root may read it', 'run "sudo pbt-server doctor"')
    return notChecked(
      step,
      'neither ufw nor nftables is there',
      'if another one is, open the ports of deploy/README.md in it',
    )
  }
  return nftables(step, openings, nft)
}

function nftables(step: string, openings: readonly Opening[], text: string): Finding {
  const { isClosed, accepted } = readRuleset(text)
  if (!isClosed) return ok(step, 'nothing is closed by nftables')
  const missing = openings.filter(
    ({ protocol, first, last }) =>
      !accepted.some(each => each.protocol === protocol && each.first <= first && last <= each.last),
  )
  if (missing.length === 0) return ok(step, 'nftables lets visitors through')
  const cures = missing.map(
    each => `sudo nft insert rule inet filter input ${each.protocol} dport ${rangeOf(each, '-')} accept`,
  )
  return failed(step, `no rule of nftables lets these through: ${missing.map(textOf).join(', ')}`, cures.join('; '))
}

/** Whether what comes in is closed as a rule, and the ports that some rule accepts. */
function readRuleset(text: string): { isClosed: boolean; accepted: readonly Opening[] } {
  const accepted: Opening[] = []
  let isClosed = false
  for (const item of itemsIn(text)) {
    if (item.chain?.hook === 'input' && item.chain.policy === 'drop') isClosed = true
    const expressions = item.rule?.expr ?? []
    const words = JSON.stringify(expressions)
    if (/"(drop|reject)"/.test(words) && expressions.length === 1) isClosed = true
    if (!words.includes('"accept"')) continue
    for (const { match } of expressions) {
      const { protocol, field } = match?.left?.payload ?? {}
      if (field === 'dport' && (protocol === 'tcp' || protocol === 'udp'))
        accepted.push(...portsIn(match?.right, protocol))
    }
  }
  return { isClosed, accepted }
}

interface Item {
  readonly chain?: { readonly hook?: string; readonly policy?: string }
  readonly rule?: { readonly expr?: readonly Expression[] }
}
interface Expression {
  readonly match?: {
    readonly left?: { readonly payload?: { protocol?: string; field?: string } }
    readonly right?: unknown
  }
}

function itemsIn(text: string): readonly Item[] {
  try {
    return (JSON.parse(text) as { nftables?: Item[] }).nftables ?? []
  } catch {
    return []
  }
}

/** A number, a range, or a set of both. */
function portsIn(right: unknown, protocol: 'tcp' | 'udp'): Opening[] {
  if (typeof right === 'number') return [{ protocol, first: right, last: right }]
  if (typeof right !== 'object' || right === null) return []
  if ('range' in right && Array.isArray(right.range))
    return [{ protocol, first: Number(right.range[0]), last: Number(right.range[1]) }]
  if ('set' in right && Array.isArray(right.set)) return right.set.flatMap(each => portsIn(each, protocol))
  return []
}

/** A line such as `80,443/tcp   ALLOW   Anywhere` or `20000:40000/udp   ALLOW   Anywhere`. */
function ufwAllows(status: string, { protocol, first, last }: Opening): boolean {
  return status.split('\n').some(line => {
    const [, ports = '', only] = /^([\d,:]+)(?:\/(tcp|udp))?\s+ALLOW/.exec(line) ?? []
    if (ports === '' || (only !== undefined && only !== protocol)) return false
    return ports.split(',').some(block => {
      const [from = Number.NaN, to = from] = block.split(':').map(Number)
      return from <= first && last <= to
    })
  })
}

/** Behind a firewall of the provider nothing of this machine is reached, and nothing here tells. */
function providers(openings: readonly Opening[]): Finding {
  const what = openings.map(textOf).join(', ')
  const cure = `open ${what} there too (OVHcloud: Network, IP, Edge Network Firewall), and look from another machine`
  return notChecked('firewall of the provider', 'what lies before this machine cannot be seen from it', cure)
}

function textOf(opening: Opening): string {
  return `${rangeOf(opening, '-')}/${opening.protocol}`
}

function ufwCure(opening: Opening): string {
  return `sudo ufw allow ${rangeOf(opening, ':')}/${opening.protocol}`
}

function rangeOf({ first, last }: Opening, between: string): string {
  return first === last ? String(first) : `${first}${between}${last}`
}

function readProgram(program: string, args: readonly string[]): string | undefined {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
  const ran = spawnSync(program, [...args], { encoding: 'utf8', timeout: READ_MS, maxBuffer: MAX_BYTES, env })
  return ran.status === 0 ? ran.stdout : undefined
}
