// What needs the owner, in the order of what hurts most; each with one act.
import {
  type Check,
  Check_State,
  type Client,
  Client_State,
  type Domain,
  Domain_State,
  type Tunnel,
  TunnelState,
} from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import type { Live } from '../live/state.ts'
import { isOut } from './client.ts'
import { domainHref, lifeLeft } from './domain.ts'
import { readable } from './idn.ts'
import { listed, sentence } from './sentence.ts'
import { howLong, millis, moment } from './time.ts'
import { notStoredAt, tokenOf, tokenStanding } from './token.ts'
import { commandOf, standingOf } from './tunnel.ts'

/** A thing that needs the owner. */
export interface Need {
  readonly key: string
  readonly mark: MarkName
  readonly tone: Tone
  readonly title: string
  readonly detail: string
  /** A command that cures it, to be copied. */
  readonly command?: string
  readonly link?: { readonly href: string; readonly word: string }
}

/** `now`: milliseconds. None: all is well. */
export function needsOf(
  live: Pick<Live, 'tunnels' | 'clients' | 'tokens' | 'server' | 'domains' | 'events'>,
  now: number,
): readonly Need[] {
  const tunnels = [...live.tunnels.values()]
  const clients = [...live.clients.values()]
  const domains = [...live.domains.values()].flatMap(domain => domainNeed(domain, now))
  const told = new Set(domains.map(({ key }) => key))
  return [
    ...domains,
    ...tunnels.flatMap(certificateNeed).filter(({ key }) => !told.has(key)),
    ...tunnels.flatMap(targetNeed),
    ...clients.flatMap(client => awayNeed(client, { tunnels, clients, tokens: live.tokens }, now)),
    ...clients.flatMap(client => tokenNeed(client, live, now)),
    ...(live.server?.checks ?? []).flatMap(checkNeed),
    ...clients.flatMap(versionNeed),
  ]
}

function certificateNeed(tunnel: Tunnel): Need[] {
  if (tunnel.state !== TunnelState.ONLINE) return []
  return tunnel.addresses
    .filter(({ waiting }) => waiting !== '')
    .map(({ address, waiting, cure }) => ({
      ...{ key: certificateKey(address), mark: 'bad', tone: 'bad' },
      title: `${readable(address)} is not reachable yet`,
      detail: [waiting, cure].filter(Boolean).map(sentence).join(' '),
      link: { href: explain(address), word: 'Explain' },
    }))
}

/** Refused by the CA, or waiting for records. Of a renewal that is late without either the server tells, which knows how long it should take. */
function domainNeed(domain: Domain, now: number): Need[] {
  const { state, problem, nextTryTime } = domain
  // While it is tried again, what happened last stands.
  const isTried = state === Domain_State.ISSUING || state === Domain_State.RENEWING
  const isError = state === Domain_State.ERROR || (isTried && problem !== undefined)
  const isWaiting = state === Domain_State.PENDING && problem !== undefined
  if (!isError && !isWaiting) return []
  const life = lifeLeft(domain, now)
  const name = readable(domain.domain)
  const next = millis(nextTryTime)
  const again = isError && next !== undefined && next > now ? ` Next try ${moment(next, now)}.` : ''
  return [
    {
      key: certificateKey(domain.domain),
      ...(isWaiting && life === undefined ? { mark: 'wait', tone: 'warn' } : { mark: 'bad', tone: 'bad' }),
      title:
        life === undefined
          ? `${name} has no certificate${isWaiting ? ' yet' : ''}`
          : `${name}: its certificate is not renewed, and ${life.days > 0 ? `ends in ${life.text}` : life.text}`,
      detail: `${[isError ? '' : (problem?.message ?? ''), problem?.cure || problem?.message || ''].filter(Boolean).map(sentence).join(' ')}${again}`,
      link: { href: domainHref(domain.domain), word: isWaiting ? 'What to create' : 'What to change' },
    },
  ]
}

const certificateKey = (address: string) => `certificate ${address}`

function targetNeed(tunnel: Tunnel): Need[] {
  const { kind, detail } = standingOf(tunnel)
  if (kind !== 'target') return []
  const { name, addresses } = tunnel
  return [
    {
      ...{ key: `target ${name}`, mark: 'bad', tone: 'bad' },
      title: `${readable(name)}: its target refuses`,
      detail: `${detail}. Start the service on ${tunnel.clientLabel || 'its machine'}; visitors get an error meanwhile.`,
      link: { href: explain(addresses[0]?.address ?? name), word: 'Explain' },
    },
  ]
}

interface Household {
  readonly tunnels: readonly Tunnel[]
  readonly clients: readonly Client[]
  readonly tokens: Live['tokens']
}

/** A machine that has just come opens its tunnels one after the other, milliseconds. */
const OPENING_MS = 30_000

/** A machine that does not serve all that it has, whether it is away or there. */
function awayNeed(client: Client, { tunnels, clients, tokens }: Household, now: number): Need[] {
  if (client.state === Client_State.AWAITED) return []
  const served = tunnels.filter(({ clientId, state }) => clientId === client.id && state === TunnelState.OFFLINE)
  const [first] = served
  if (first === undefined) return []
  const isItself = client.state === Client_State.CONNECTED
  const settledAt = Math.max(millis(client.stateTime) ?? 0, ...served.map(({ stateTime }) => millis(stateTime) ?? 0))
  if (isItself && now - settledAt < OPENING_MS) return []
  const since = millis(isItself ? first.stateTime : (client.stateTime ?? client.lastSeenTime))
  const [are, it] = served.length === 1 ? ['is', 'it'] : ['are', 'them']
  const all = listed(served.map(({ name }) => readable(name)))
  const isThere =
    isItself ||
    clients.some(({ machineId, state }) => machineId === client.machineId && state === Client_State.CONNECTED)
  const when = since === undefined ? '' : ` since ${moment(since, now)}`
  const mustInit = isOut(client, tokens, now)
  const away = mustInit ? 'pbt init' : 'pbt daemon start'
  const command = !isThere ? away : served.length === 1 ? commandOf(first) : ''
  const back = mustInit
    ? 'Its token has ended, so it is not let in: run there once, with the new one:'
    : 'It comes back by itself when it is switched on; else run there:'
  const there = `The machine is connected, but nothing there opens ${it} now.`
  return [
    {
      ...{ key: `away ${client.id}`, mark: 'off', tone: '' },
      title: isThere ? `${client.label} does not serve ${all}${when}` : `${client.label} is away${when}`,
      detail: isThere
        ? `${there} ${command === '' ? 'Run the command that opened them again.' : 'Run there:'}`
        : `So ${all} ${are} offline. ${back}`,
      ...(command !== '' && { command }),
      link: { href: '/clients', word: 'History' },
    },
  ]
}

function tokenNeed(client: Client, { tokens, events }: Pick<Live, 'tokens' | 'events'>, now: number): Need[] {
  const token = tokenOf(client, tokens)
  const isAway = client.state === Client_State.GONE
  const need: Omit<Need, 'title' | 'detail'> = {
    ...{ key: `token ${client.id}`, mark: 'warn', tone: 'warn' },
    link: { href: '/security', word: 'Who has which token' },
  }
  const end = millis(token?.endTime)
  switch (tokens.length === 0 ? undefined : tokenStanding(token, now)) {
    case 'ending':
      return [
        {
          ...need,
          title: `${client.label} ${isAway ? 'is away and still holds' : 'still holds'} the old token`,
          detail: `It gets the new one by itself if it is connected before ${end === undefined ? 'that ends' : `${moment(end, now)}, in ${howLong(end - now)}`}. After that, run pbt init on it once.`,
        },
      ]
    case 'valid': {
      const why = notStoredAt(client, events)
      if (why === '') return []
      const detail = `${sentence(why)} It serves as long as it runs; put the new token there before that.`
      return [{ ...need, title: `${client.label} will not have the new token after a restart`, detail }]
    }
    default:
      return []
  }
}

function checkNeed({ step, state, message, cure }: Check): Need[] {
  if (state !== Check_State.FAILED) return []
  return [
    {
      key: `check ${step} ${message}`,
      mark: 'warn',
      tone: 'warn',
      title: sentence(message).replace(/\.$/, ''),
      detail: sentence(cure),
    },
  ]
}

function versionNeed(client: Client): Need[] {
  if (!client.isOutdated || client.state !== Client_State.CONNECTED) return []
  return [
    {
      ...{ key: `version ${client.id}`, mark: 'warn', tone: 'warn' },
      title: `${client.label} runs ${client.agent.replace('/', ' ')}, which is older than this server`,
      detail: 'It works; install the new version of pbt on it when it suits you.',
      link: { href: '/clients', word: 'Clients' },
    },
  ]
}

/** The page that explains the way to an address. */
export function explain(address: string, peer = ''): string {
  const params = new URLSearchParams({ address, ...(peer && { from: peer }) })
  return `/explain?${params}`
}
