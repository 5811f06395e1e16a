// Where a name leads: its addresses as a CA sees them, held against those of this server.
import { isPublicAddress } from '@pbt/proto'
import type { Check } from '../types.ts'
import { closest } from './closest.ts'
import { isCloudflare } from './cloudflare.ts'
import { type Asked, finding, isSameAddress, leadHere, type Place, whyNot } from './place.ts'
import { addressesIn, type Found, type World } from './world.ts'

const STEP = 'address'

/** For a name without `*.`. Over HTTP the CA comes by these addresses; for a proof by DNS they matter to visitors only. */
export async function checkAddress(name: string, { place, proof }: Asked, world: World): Promise<Check> {
  const found = await Promise.all([world.own(name, 'A'), world.own(name, 'AAAA')])
  const check = await judge(name, found, place, world)
  if (proof === 'http' || check.state === 'ok') return check
  return { ...check, state: 'not-checked', message: `${check.message}; the certificate does not need it, visitors do` }
}

async function judge(name: string, found: readonly Found[], place: Place, world: World): Promise<Check> {
  const addresses = addressesIn(found)
  const unanswered = found.find(each => each.kind === 'failed' || each.kind === 'silent')
  if (addresses.length === 0) {
    if (unanswered === undefined) return missing(name, found, place)
    return finding(STEP, name, 'not-checked', `the addresses of ${name} are not known: ${whyNot(unanswered)}`)
  }
  const wrong = wrongAddress(name, addresses, place)
  if (wrong !== undefined) return wrong
  if (place.publicAddresses.length === 0) {
    const message = `${name} leads to ${addresses.join(', ')}; whether that is this server is not known`
    return finding(STEP, name, 'not-checked', message, { cure: 'set public-address to the addresses of this server' })
  }
  return finding(
    STEP,
    name,
    'ok',
    `${name} leads here (${addresses.join(', ')})${await otherView(name, addresses, world)}`,
  )
}

function missing(name: string, found: readonly Found[], place: Place): Check {
  const { record, text } = leadHere(name, place)
  const alias = found.flatMap(each => (each.kind === 'found' ? each.records : [])).find(each => each.type === 'CNAME')
  if (alias?.type === 'CNAME') {
    const message = `${name} is an alias of ${alias.data}, which has no address`
    return finding(STEP, name, 'failed', message, { cure: `replace that CNAME: ${text}`, record })
  }
  const meant = closest(name, place.ownNames())
  const question = meant === undefined ? '' : `. Did you mean ${meant}?`
  return finding(STEP, name, 'waiting', `${name} has no address at all${question}`, {
    cure: `create ${text}`,
    record,
  })
}

/** A definite contrary answer; undefined when there is none. */
function wrongAddress(name: string, addresses: readonly string[], place: Place): Check | undefined {
  const { record, text } = leadHere(name, place)
  const behind = addresses.find(isCloudflare)
  if (behind !== undefined && !isOwn(behind, place)) {
    return finding(STEP, name, 'failed', `${name} resolves to Cloudflare (${behind}), not to this server`, {
      cure: 'set the record to "DNS only" (grey cloud) at Cloudflare',
    })
  }
  const inside = addresses.find(each => !isPublicAddress(each))
  if (inside !== undefined && !isOwn(inside, place)) {
    return finding(STEP, name, 'failed', `${name} leads to ${inside}, which nobody reaches from the internet`, {
      cure: `replace it: ${text}`,
      record,
    })
  }
  const others = place.publicAddresses.length === 0 ? [] : addresses.filter(each => !isOwn(each, place))
  const [other] = others
  if (other === undefined) return undefined
  if (other.includes(':')) {
    return finding(STEP, name, 'failed', `${name} has AAAA ${other}, which is not this server. The CA prefers IPv6`, {
      cure: `remove or correct the AAAA record of ${name}`,
    })
  }
  const message = `${name} leads to ${others.join(', ')}, not to this server (${place.publicAddresses.join(', ')})`
  const all = others.length === addresses.length
  return finding(STEP, name, 'failed', message, {
    cure: all ? `replace it: ${text}` : `remove the A record with ${other}: the CA may come by any of them`,
    ...(all ? { record } : {}),
  })
}

/** What this machine's own resolver says, where that is something else. */
async function otherView(name: string, addresses: readonly string[], world: World): Promise<string> {
  const found = await Promise.all([world.resolved(name, 'A'), world.resolved(name, 'AAAA')])
  const seen = addressesIn(found)
  const other = seen.find(each => !addresses.some(address => isSameAddress(each, address)))
  if (other !== undefined)
    return `; this machine's resolver says ${other}, the world says ${addresses.join(', ')}: the CA sees the second`
  const [none] = found
  if (seen.length > 0 || none?.kind !== 'none') return ''
  return `; a resolver still remembers that the record was missing, for at most ${none.ttlSeconds} s. The CA is not affected`
}

function isOwn(address: string, { publicAddresses }: Place): boolean {
  return publicAddresses.some(own => isSameAddress(own, address))
}
