// Everything that can happen, as it is told: one function each, so that an event reads the same wherever it comes from.
import type { Problem as DomainProblem } from '../certs/acme/records.ts'
import type { ClientFacts, Ending, Resumption, TunnelFacts } from '../relay/news.ts'
import type { EventKind, Happening } from './event.ts'

const SERVER = 'pbt-server'

// Clients.

/** The event has the number of the client's token, never the token. */
export function clientConnected(client: ClientFacts): Happening {
  const { address, agent, tokenId } = client
  const message = `${client.label} is connected from ${address}`
  return ofClient('client.connected', client, message, { address, agent, token: String(tokenId) })
}

/** The link is gone and may be resumed. `open`: connections that wait for it. */
export function clientLost(client: ClientFacts, why: string, open: number): Happening {
  const held = open === 0 ? '' : `; ${connections(open)} wait for it`
  return ofClient('client.lost', client, `${client.label} is away: ${why}${held}`, { reason: why, open: String(open) })
}

/** The session goes on over a new link; counts are connections. */
export function clientResumed(client: ClientFacts, { awayMs, wentOn, lost }: Resumption): Happening {
  const what =
    lost > 0
      ? `${wentOn} of ${connections(wentOn + lost)} went on`
      : wentOn > 0
        ? `${connections(wentOn)} went on, nothing was lost`
        : 'nothing was lost'
  const message = `${client.label} is back after ${secondsOf(awayMs)} s: ${what}`
  const fields = { awayMs: String(Math.round(awayMs)), wentOn: String(wentOn), lost: String(lost) }
  return ofClient('client.resumed', client, message, { ...fields, address: client.address })
}

/** The session has ended. `open`: connections that were cut. */
export function clientGone(client: ClientFacts, { code, reason }: Ending, open: number): Happening {
  const cut = open === 0 ? '' : `; ${connections(open)} were cut`
  return ofClient('client.gone', client, `${client.label} is gone: ${reason}${cut}`, {
    code,
    reason,
    cut: String(open),
  })
}

/** The owner has cut the client off. */
export function clientDisconnected(client: { readonly clientId: string; readonly label: string }): Happening {
  return ofClient('client.disconnected', client, `${client.label} was disconnected by the owner`)
}

/** The owner has removed what was kept of the client. */
export function clientForgotten(client: { readonly clientId: string; readonly label: string }): Happening {
  return ofClient('client.forgotten', client, `${client.label} was forgotten by the owner`)
}

// Tunnels. Those that an owner's verb tells need no client.

/** Visitors reach the client. `urls`: all its public addresses, possibly none. */
export function tunnelOnline(client: ClientFacts, tunnel: TunnelFacts, urls: readonly string[]): Happening {
  const at = urls.length === 0 ? '' : ` at ${urls.join(' ')}`
  return ofTunnel('tunnel.online', client, tunnel, `${tunnel.name} is online${at}`, { urls: urls.join(' ') })
}

/** Visitors do not reach the client any more; the reason is for people, the code for programs. */
export function tunnelOffline(client: ClientFacts, tunnel: TunnelFacts, { code, reason }: Ending): Happening {
  return ofTunnel('tunnel.offline', client, tunnel, `${tunnel.name} is offline: ${reason}`, { code, reason })
}

/** The client asked for the tunnel and did not get it. */
export function tunnelRefused(client: ClientFacts, tunnel: TunnelFacts, { code, reason }: Ending): Happening {
  const message = `${client.label} cannot have the tunnel ${tunnel.name}: ${reason}`
  return ofTunnel('tunnel.refused', client, tunnel, message, { code, reason })
}

/** The client is there, but its target takes no connections. */
export function targetRefuses(client: ClientFacts, tunnel: TunnelFacts, reason: string): Happening {
  const message = `${tunnel.target} does not answer ${client.label}: ${reason}`
  return ofTunnel('tunnel.target-refuses', client, tunnel, message, { reason })
}

/** The target takes connections again after `targetRefuses`. */
export function targetAnswers(client: ClientFacts, tunnel: TunnelFacts): Happening {
  return ofTunnel('tunnel.target-answers', client, tunnel, `${tunnel.target} answers ${client.label} again`)
}

/** `cut`: connections that were open. */
export function tunnelKilled(tunnel: string, cut: number): Happening {
  const what = cut === 0 ? '' : `, ${connections(cut)} were cut`
  return byOwner('tunnel.killed', tunnel, `${tunnel} was ended by the owner${what}`, { tunnel, cut: String(cut) })
}

/** The owner takes back that the tunnel was ended: its client may open it again. */
export function tunnelStarted(tunnel: string): Happening {
  return byOwner('tunnel.started', tunnel, `${tunnel} may come back`, { tunnel })
}

/** Visitors are turned away by the owner's wish. */
export function tunnelPaused(tunnel: string): Happening {
  return byOwner('tunnel.paused', tunnel, `${tunnel} is paused: visitors are turned away`, { tunnel })
}

/** The owner's pause is over. */
export function tunnelResumed(tunnel: string): Happening {
  return byOwner('tunnel.resumed', tunnel, `${tunnel} is no longer paused`, { tunnel })
}

/** Something that was open. */
export function connectionEnded({ tunnel, kind, peer }: { tunnel: string; kind: string; peer: string }): Happening {
  const message = `a connection (${kind}) of ${peer} to ${tunnel} was ended by the owner`
  return byOwner('connection.ended', tunnel, message, { tunnel, peer, protocol: kind })
}

// Addresses and who may visit them.

/** The owner keeps the address. */
export function addressReserved(address: string): Happening {
  return byOwner('address.reserved', address, `${address} is reserved`, { address })
}

/** `tunnel`: that had it, '' for none. */
export function addressReleased(address: string, tunnel: string): Happening {
  const from = tunnel === '' ? '' : `, ${tunnel} no longer has it`
  return byOwner('address.released', address, `${address} was released${from}`, { address, ...named({ tunnel }) })
}

/** `tunnel`: that has it now, '' for none. */
export function addressMapped(address: string, tunnel: string): Happening {
  const message = tunnel === '' ? `${address} no longer leads to a tunnel` : `${address} leads to ${tunnel}`
  return byOwner('address.mapped', address, message, { address, ...named({ tunnel }) })
}

/** `note`: '' when it was removed. */
export function addressNoted(address: string, note: string): Happening {
  return byOwner('address.noted', address, note === '' ? `${address} no longer has a note` : `${address}: ${note}`, {
    address,
  })
}

/** `list`: who may visit from now on, in words; `cut`: connections that had to go. */
export function allowlistChanged(address: string, list: string, cut = 0): Happening {
  const what = cut === 0 ? '' : `; ${connections(cut)} were cut`
  const fields = { address, list, cut: String(cut) }
  return byOwner('allowlist.changed', address, `${address} now lets in ${list}${what}`, fields)
}

/** An entry with an end has reached it. `block`: an IP address or CIDR block. */
export function allowlistEnded(address: string, block: string): Happening {
  return byOwner('allowlist.ended', address, `the allowlist entry ${block} of ${address} has expired`, {
    address,
    block,
  })
}

// Domains and their certificates.

/** A certificate is to come for it. */
export function domainAdded(domain: string): Happening {
  return ofDomain('domain.added', domain, `${domain} was added: its certificate comes when its DNS is right`)
}

/** Everything that the CA will look at is right. */
export function domainVerified(domain: string): Happening {
  return ofDomain('domain.verified', domain, `the DNS of ${domain} is right`)
}

/** The CA is asked for a certificate. */
export function domainOrdered(domain: string): Happening {
  return ofDomain('domain.ordered', domain, `a certificate for ${domain} is ordered`)
}

/** Its first certificate has come. */
export function domainIssued(domain: string, notAfter: Date): Happening {
  const [end, until] = [notAfter.toISOString(), minuteText(notAfter)]
  return ofDomain('domain.issued', domain, `${domain} has a certificate, valid until ${until}`, { end })
}

/** A certificate has come in the place of one that it had. */
export function domainRenewed(domain: string, notAfter: Date): Happening {
  const [end, until] = [notAfter.toISOString(), minuteText(notAfter)]
  return ofDomain('domain.renewed', domain, `the certificate of ${domain} is renewed, valid until ${until}`, { end })
}

/** No certificate comes: `message` and `cure` are for people. */
export function domainFailed(domain: string, { type, message, cure }: DomainProblem): Happening {
  return ofDomain('domain.error', domain, `no new certificate for ${domain}: ${message}`, named({ type, cure }))
}

/** Its certificate is no longer served. */
export function domainRemoved(domain: string): Happening {
  return ofDomain('domain.removed', domain, `${domain} was removed: its certificate is no longer served`)
}

// Tokens and the panel.

/** `graceMs`: how long the one before is good still; 0: it has ended. */
export function tokenRotated(id: number | undefined, graceMs = 0): Happening {
  const before = graceMs === 0 ? 'the previous one has ended' : `the previous one ends in ${secondsOf(graceMs)} s`
  return byOwner('token.rotated', 'token', `there is a new token, ${before}`, named({ token: id?.toString() ?? '' }))
}

/** `notStored`: why the client does not have it after a restart, '' when it does. */
export function tokenTaken(
  client: { readonly clientId: string; readonly label: string },
  id: number,
  notStored = '',
): Happening {
  const but = notStored === '' ? '' : `, but will not have it after a restart: ${notStored}`
  const fields = { token: String(id), ...named({ notStored }) }
  return ofClient('token.taken', client, `${client.label} took the new token${but}`, fields)
}

/** The token is not valid any more. `id`: its number, never the token. */
export function tokenEnded(id: number): Happening {
  return byOwner('token.ended', 'token', `token ${id} has ended`, { token: String(id) })
}

/** `how`: by what, for example "by a link". */
export function panelLogin(address: string, how: string): Happening {
  return byOwner('panel.login', 'panel', `somebody at ${address} logged in ${how}`, { peer: address })
}

/** `count`: sessions that were ended, at least one. */
export function panelEnded(count: number): Happening {
  const message = count === 1 ? 'a session of the panel was ended' : `${count} sessions of the panel were ended`
  return byOwner('panel.ended', 'panel', message, { count: String(count) })
}

// The server.

/** The server serves its base domain from now on. */
export function serverStarted(version: string, baseDomain: string): Happening {
  return byOwner('server.started', SERVER, `pbt-server ${version} serves ${baseDomain}`, { version, baseDomain })
}

/** The server was told to stop; `reason` is for people. */
export function serverStopping(reason: string): Happening {
  return byOwner('server.stopping', SERVER, `pbt-server stops: ${reason}`, { reason })
}

/** `faults`: what is wrong with certificates now, a sentence each; none: nothing any more. */
export function certificates(faults: readonly string[]): Happening {
  const message = faults.length === 0 ? 'all certificates can be used again' : faults.join('; ')
  return byOwner('server.certificate', SERVER, message, { count: String(faults.length) })
}

function ofClient(
  kind: EventKind,
  client: { readonly clientId: string; readonly label: string },
  message: string,
  fields: Readonly<Record<string, string>> = {},
): Happening {
  return { kind, subject: client.label, message, fields: { client: client.clientId, ...fields } }
}

function ofTunnel(
  kind: EventKind,
  { clientId, label }: ClientFacts,
  { name, kind: of, target }: TunnelFacts,
  message: string,
  fields: Readonly<Record<string, string>> = {},
): Happening {
  const all = { client: clientId, label, tunnel: name, protocol: of, target, ...fields }
  return { kind, subject: name, message, fields: all }
}

function ofDomain(kind: EventKind, domain: string, message: string, fields: Readonly<Record<string, string>> = {}) {
  return byOwner(kind, domain, message, { domain, ...fields })
}

function byOwner(kind: EventKind, subject: string, message: string, fields: Readonly<Record<string, string>>) {
  return { kind, subject, message, fields }
}

/** Those that say something. */
function named(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

function connections(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`
}

/** For people, who may be anywhere: 2026-11-28 14:32 UTC. */
function minuteText(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** With one decimal below ten. */
function secondsOf(ms: number): string {
  return ms < 10_000 ? (ms / 1_000).toFixed(1) : String(Math.round(ms / 1_000))
}
