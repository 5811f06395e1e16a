// The five stations of the way to a tunnel's service.
import { type Client, TargetHealth_State, type Tunnel, TunnelKind } from '@pbt/proto/admin/v1'
import type { Station } from '../components/way'
import { rate } from '../words/bytes'
import { clientStanding, roundTrip } from '../words/client'
import { counted, millis, moment } from '../words/time'
import { allowedOn, openWords, standingOf } from '../words/tunnel'

/** In the order of the way. */
export function stationsOf(tunnel: Tunnel, client: Client | undefined): readonly Station[] {
  const { openConnections, bytesOutRate } = tunnel
  const visitors: Station = {
    ...{
      key: 'visitors',
      mark: openConnections > 0 ? 'ok' : 'none',
      tone: openConnections > 0 ? 'ok' : '',
      stops: false,
    },
    title: openConnections === 0 ? 'Nobody now' : openWords(tunnel),
    detail: `${rate(bytesOutRate)} out`,
  }
  return [visitors, certificate(tunnel), server(tunnel), machine(tunnel, client), target(tunnel)]
}

function certificate({ addresses, kind }: Tunnel): Station {
  if (kind !== TunnelKind.HTTP) {
    const [port = ''] = addresses.map(({ address }) => address)
    return { key: 'port', mark: 'ok', tone: 'ok', title: 'Port', detail: port, stops: false }
  }
  const waiting = addresses.filter(each => each.waiting !== '')
  const isBad = addresses.length > 0 && waiting.length === addresses.length
  return {
    ...{ key: 'certificate', title: 'Certificate', stops: isBad },
    mark: isBad ? 'bad' : waiting.length > 0 ? 'warn' : 'ok',
    tone: isBad ? 'bad' : waiting.length > 0 ? 'warn' : 'ok',
    detail: waiting[0]?.waiting ?? (addresses.length > 1 ? 'valid for all of them' : 'valid'),
  }
}

function server(tunnel: Tunnel): Station {
  const { kind, mark, word } = standingOf(tunnel)
  const isClosed = kind === 'paused' || kind === 'killed'
  const allowed = allowedOn(tunnel)
  const open = allowed === undefined ? 'open to everybody' : `open to ${counted(allowed, 'address', 'addresses')}`
  return {
    ...{ key: 'server', title: 'pbt-server', stops: isClosed },
    mark: isClosed ? mark : 'ok',
    tone: isClosed ? '' : 'ok',
    detail: isClosed ? word : open,
  }
}

function machine(tunnel: Tunnel, client: Client | undefined): Station {
  const label = tunnel.clientLabel || 'Client'
  const { kind } = standingOf(tunnel)
  if (client === undefined)
    return { key: 'client', mark: 'none', tone: '', title: label, detail: 'not known any more', stops: true }
  const { mark, tone, since, word } = clientStanding(client)
  const trip = roundTrip(client)
  return {
    ...{ key: 'client', mark, tone, title: label, stops: word !== 'Connected' || kind === 'offline' },
    detail: word === 'Connected' && trip !== '' ? `${trip} round trip` : since,
  }
}

function target({ target: name, health }: Tunnel): Station {
  const at = millis(health?.time)
  const seen = at === undefined ? '' : `, ${moment(at)}`
  if (health?.state === TargetHealth_State.REFUSES) {
    return {
      key: 'target',
      mark: 'bad',
      tone: 'bad',
      title: name,
      detail: `${health.message.replace(/^could not connect to [^ ]+: /, '') || 'it refuses'}${seen}`,
      stops: true,
    }
  }
  if (health?.state === TargetHealth_State.ANSWERS) {
    return { key: 'target', mark: 'ok', tone: 'ok', title: name, detail: `answered${seen}`, stops: false }
  }
  return { key: 'target', mark: 'none', tone: '', title: name, detail: 'not checked yet', stops: false }
}
