// Whether the CA can reach this server, as somebody outside sees it. From inside nobody knows what firewalls and routers let through.
import { isIPv6 } from 'node:net'
import type { AskOutside, Check, OutsideView, ProofKind } from '../types.ts'
import { finding, type Place } from './place.ts'

const HTTP = 80
const DNS = 53

/** One finding for each public address and what the proof needs there. */
export async function* checkPorts(
  proof: ProofKind,
  { publicAddresses, baseDomain, httpPort, dnsPort }: Place,
  askOutside: AskOutside,
  signal: AbortSignal,
): AsyncIterable<Check> {
  const port = proof === 'http' ? HTTP : DNS
  const step = `port-${port}`
  if (publicAddresses.length === 0) {
    const message = `port ${port} is not checked from outside: the addresses of this server are not known`
    yield finding(step, baseDomain, 'not-checked', message, { cure: 'set public-address' })
    return
  }
  const listens = proof === 'http' ? httpPort : dnsPort
  for (const address of publicAddresses) {
    if (proof === 'http')
      yield withOwnPort(
        httpFinding(step, address, await askOutside({ address, port, protocol: 'tcp' }, signal)),
        listens,
        port,
      )
    else {
      const [udp, tcp] = await Promise.all([
        askOutside({ address, port, protocol: 'udp' }, signal),
        askOutside({ address, port, protocol: 'tcp' }, signal),
      ])
      yield withOwnPort(dnsFinding(step, address, udp, tcp), listens, port)
    }
  }
}

/** This server may listen on another port, with one forwarded to it. */
function withOwnPort(check: Check, listens: number, port: number): Check {
  if (check.state === 'ok' || listens === port) return check
  const setting = port === HTTP ? 'http-port' : 'dns-port'
  const cure = `${check.cure}; ${setting} is ${listens}, and the CA comes to ${port}: forward that port, or set ${setting} to ${port}`
  return { ...check, cure }
}

function httpFinding(step: string, address: string, view: OutsideView | undefined): Check {
  if (view === undefined) return unseen(step, address, HTTP)
  if (view.isReachable)
    return finding(step, address, 'ok', `port ${HTTP} of ${address} answers from outside (${view.words})`)
  const family = isIPv6(address) ? ' over IPv6' : ''
  return finding(
    step,
    address,
    stateOf(view),
    `port ${HTTP}${family} of ${address} does not answer from outside (${view.words})`,
    {
      cure: `open ${HTTP}/tcp, also in the provider's firewall`,
    },
  )
}

function dnsFinding(step: string, address: string, udp: OutsideView | undefined, tcp: OutsideView | undefined): Check {
  if (udp === undefined || tcp === undefined) return unseen(step, address, DNS)
  if (udp.isReachable && tcp.isReachable)
    return finding(step, address, 'ok', `53/udp and 53/tcp of ${address} answer from outside (${tcp.words})`)
  const cure = "open 53/udp and 53/tcp, also in the provider's firewall"
  if (udp.isReachable !== tcp.isReachable) {
    const [open, shut] = udp.isReachable ? ['53/udp', '53/tcp'] : ['53/tcp', '53/udp']
    const view = udp.isReachable ? tcp : udp
    return finding(step, address, stateOf(view), `${open} of ${address} answers, ${shut} does not (${view.words})`, {
      cure,
    })
  }
  const message = `port 53 of ${address} does not answer from outside (UDP ${udp.words}, TCP ${tcp.words})`
  return finding(step, address, stateOf(tcp), message, { cure })
}

function unseen(step: string, address: string, port: number): Check {
  return finding(step, address, 'not-checked', `port ${port} of ${address} is not checked from outside`, {
    cure: 'connect a client from another network: it can look from there',
  })
}

/** Silence may be that of the network that looked; a refusal is an answer. */
function stateOf({ isRefused }: OutsideView): 'failed' | 'not-checked' {
  return isRefused ? 'failed' : 'not-checked'
}
