// The way of a proof by DNS: `acme.<base>` has to be delegated to this server, and each name's challenge has to lead there.
import type { Answer } from 'dns-packet'
import type { Check, DnsRecord } from '../types.ts'
import { type Asked, addressRecord, finding, isSameAddress, recordText, whyNot } from './place.ts'
import { addressesIn, type Found, parentOf, type World } from './world.ts'

const STEP = 'delegation'
const NO_NS =
  'If the DNS provider has no NS records for names below the domain: prove each name over HTTP instead, without wildcards'

/** Whether the servers of the zone above send those who ask for `acme.<base>` here. */
export async function checkZone({ place }: Asked, world: World): Promise<Check> {
  const { baseDomain } = place
  const zone = `acme.${baseDomain}`
  const record: DnsRecord = { name: zone, type: 'NS', value: baseDomain }
  const found = await world.delegation(zone)
  if (found.kind === 'failed' && found.rcode === 'SERVFAIL') return unreachable(zone, found, place.baseDomain)
  if (found.kind === 'failed' || found.kind === 'silent')
    return finding(STEP, zone, 'not-checked', `who answers for ${zone} is not known: ${whyNot(found)}`)
  const targets = found.kind === 'found' ? targetsIn(found.records) : []
  if (targets.length === 0) return await undelegated(zone, record, found, world)
  return await checkTargets(zone, targets, record, { place, world })
}

function targetsIn(records: readonly Answer[]): string[] {
  return records.flatMap(each => (each.type === 'NS' ? [each.data.toLowerCase()] : []))
}

/** A resolver that is sent here and gets no answer says SERVFAIL. The CA may get one. */
function unreachable(zone: string, found: Found, baseDomain: string): Check {
  return finding(
    STEP,
    zone,
    'not-checked',
    `${found.by} cannot reach ${baseDomain} port 53 (it says SERVFAIL for ${zone})`,
    {
      cure: "open 53/udp and 53/tcp, also in the provider's firewall",
    },
  )
}

async function undelegated(zone: string, record: DnsRecord, found: Found, world: World): Promise<Check> {
  const servers = await world.serversOf(parentOf(zone))
  const cure = `create ${recordText(record)}. ${NO_NS}`
  const [own, other] = await Promise.all([world.own(zone, 'A'), world.own(zone, 'AAAA')])
  if (own.kind !== 'found' && other.kind !== 'found') {
    const message = `nobody is sent here for ${zone}: the NS record is missing at ${servers}`
    return finding(STEP, zone, 'waiting', message, { cure, record })
  }
  if (await world.isWildcardBeside(zone)) {
    const message = `nobody is sent here for ${zone}: the NS record is missing at ${servers}, and the address of *.${parentOf(zone)} answers in its place`
    return finding(STEP, zone, 'waiting', message, { cure, record })
  }
  const message = `${zone} has an address record at ${found.by}, where the NS record belongs`
  const remove = `remove the A record of ${zone}; the NS replaces it: ${recordText(record)}. ${NO_NS}`
  return finding(STEP, zone, 'waiting', message, { cure: remove, record })
}

interface Around {
  readonly place: Asked['place']
  readonly world: World
}

/** Each name server has to be this server: the CA may ask any of them. */
async function checkTargets(zone: string, targets: readonly string[], record: DnsRecord, { place, world }: Around) {
  for (const target of targets) {
    const found = await Promise.all([world.own(target, 'A'), world.own(target, 'AAAA')])
    const addresses = addressesIn(found)
    if (addresses.length === 0 && found.every(each => each.kind === 'none' || each.kind === 'found')) {
      const message = `${zone} names ${target}, which has no address`
      if (target !== place.baseDomain)
        return finding(STEP, zone, 'failed', message, {
          cure: `point it at ${place.baseDomain}: ${recordText(record)}`,
          record,
        })
      const address = addressRecord(target, place)
      return finding(STEP, zone, 'waiting', message, { cure: `create ${recordText(address)}`, record: address })
    }
    const other = addresses.find(each => !place.publicAddresses.some(own => isSameAddress(own, each)))
    if (other !== undefined && place.publicAddresses.length > 0) {
      const message = `${zone} is delegated to ${target} (${other}), which is not this server`
      return finding(STEP, zone, 'failed', message, { cure: `replace the NS record: ${recordText(record)}`, record })
    }
  }
  return finding(STEP, zone, 'ok', `${zone} is delegated to ${targets.join(', ')}`)
}

/** Whether the challenge of a name without `*.` leads to `target`, a name below `acme.<base>`. */
export async function checkChallenge(name: string, target: string, world: World): Promise<Check> {
  const step = 'challenge'
  const challenge = `_acme-challenge.${name}`
  const record: DnsRecord = { name: challenge, type: 'CNAME', value: target }
  const found = await world.own(challenge, 'CNAME')
  if (found.kind === 'failed' || found.kind === 'silent')
    return finding(step, name, 'not-checked', `where ${challenge} leads is not known: ${whyNot(found)}`)
  const [alias] = found.kind === 'found' ? found.records : []
  if (alias?.type !== 'CNAME') return await noChallenge(name, record, world)
  if (alias.data.toLowerCase() !== target) {
    const message = `${challenge} leads to ${alias.data}, not to ${target}`
    return finding(step, name, 'failed', message, { cure: `replace it: ${recordText(record)}`, record })
  }
  return finding(step, name, 'ok', `${challenge} leads to ${target}${await remembered(challenge, world)}`)
}

async function noChallenge(name: string, record: DnsRecord, world: World): Promise<Check> {
  const text = await world.own(record.name, 'TXT')
  const message = `the record ${record.name} is missing`
  if (text.kind !== 'found')
    return finding('challenge', name, 'waiting', message, { cure: `create ${recordText(record)}`, record })
  return finding('challenge', name, 'waiting', `${record.name} has a TXT record of its own where the CNAME belongs`, {
    cure: `replace it: ${recordText(record)}`,
    record,
  })
}

/** What resolvers remember does not matter to the CA, which asks the zone's own servers. */
async function remembered(challenge: string, world: World): Promise<string> {
  const seen = await world.resolved(challenge, 'CNAME')
  if (seen.kind !== 'none') return ''
  return `; a resolver still remembers that the record was missing, for at most ${seen.ttlSeconds} s. The CA is not affected`
}
