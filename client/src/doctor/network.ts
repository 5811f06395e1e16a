// The next steps: from the server's name to a connection that is encrypted and trusted.
import { connect as connectTcp, isIPv6, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Settings } from '../config/config.ts'
import { formatProxy } from '../config/proxy.ts'
import { isLoopback, linkName } from '../config/server-address.ts'
import { failureOf } from '../failure.ts'
import { Lookup } from '../session/lookup.ts'
import { connectThrough } from '../session/through-proxy.ts'
import { type Check, failed, notChecked, ok } from './check.ts'
import type { Surroundings } from './surroundings.ts'

/** Of each step: a name, a connection, a handshake. */
const STEP_MS = 5_000
/** Addresses of one family that are tried. */
const MAX_ADDRESSES = 4
const DAY_MS = 24 * 3_600_000
/** A certificate that ends sooner should have been renewed. */
const SOON_MS = 3 * DAY_MS

/** Who is connected to first: the proxy, or the server. */
function placeOf({ proxy, server }: Settings): { readonly host: string; readonly port: number; readonly what: string } {
  if (proxy !== undefined) return { host: proxy.host, port: proxy.port, what: `the proxy ${formatProxy(proxy)}` }
  const host = linkName(server)
  return { host, port: server.port, what: `${host}:${server.port}` }
}

/** Name and addresses; none when there is nothing to connect to. */
export async function checkName(
  settings: Settings,
  { clock }: Surroundings,
): Promise<{ readonly check: Check; readonly addresses: readonly string[] }> {
  if (isLoopback(settings.server)) {
    return { check: ok('name', 'the server is on this machine'), addresses: ['127.0.0.1', '::1'] }
  }
  const { host } = placeOf(settings)
  try {
    const addresses = await within(new Lookup(clock).addresses(host), `no answer within ${STEP_MS / 1_000} s`)
    return { check: ok('name', `${host} has ${addresses.join(', ')}`), addresses }
  } catch (error) {
    const { message } = failureOf(error)
    const cure =
      settings.proxy === undefined
        ? `check the network and the name server of this machine, and the DNS records of *.${settings.server.base}`
        : 'check the network, and HTTPS_PROXY'
    return { check: failed('name', `${host} has no address: ${message}`, cure), addresses: [] }
  }
}

/** Both families, each by itself. The first address that answers is gone on with. */
export async function checkRoutes(
  settings: Settings,
  addresses: readonly string[],
): Promise<{ readonly checks: readonly Check[]; readonly address: string | undefined }> {
  const families = [
    { step: 'ipv4', name: 'IPv4', all: addresses.filter(each => !isIPv6(each)) },
    { step: 'ipv6', name: 'IPv6', all: addresses.filter(isIPv6) },
  ]
  const found = await Promise.all(families.map(({ all }) => tryAll(all.slice(0, MAX_ADDRESSES), settings)))
  const address = found.find(each => each.address !== undefined)?.address
  const { what } = placeOf(settings)
  const checks = families.map(({ step, name, all }, index): Check => {
    const { address: good, ms, why } = found[index] ?? NOT_TRIED
    if (all.length === 0) return notChecked(step, `the name has no ${name} address`)
    if (good !== undefined) return ok(step, `${what} takes connections at ${good}, a round trip of ${ms} ms`)
    // Loopback has two addresses, of which a server may have one; and a machine without IPv6 is as good as one with it.
    const isFine =
      address !== undefined &&
      (isLoopback(settings.server) || /ENETUNREACH|EAFNOSUPPORT|EADDRNOTAVAIL|EHOSTUNREACH/.test(why))
    if (isFine) return notChecked(step, `no way over ${name}: ${why}`)
    return failed(step, `${what} cannot be reached over ${name}: ${why}`, cureOf(why, settings))
  })
  return { checks, address }
}

const NOT_TRIED = { address: undefined, ms: 0, why: '' }

async function tryAll(addresses: readonly string[], settings: Settings) {
  let why = ''
  for (const address of addresses) {
    const began = performance.now()
    try {
      const socket = await opened(address, placeOf(settings).port)
      const ms = Math.round((performance.now() - began) * 10) / 10
      socket.destroy()
      return { address, ms, why }
    } catch (error) {
      why = failureOf(error).message
    }
  }
  return { address: undefined, ms: 0, why }
}

function cureOf(why: string, { proxy, server }: Settings): string {
  const at = proxy === undefined ? 'pbt-server' : 'the proxy'
  const port = proxy?.port ?? server.port
  if (why.includes('ECONNREFUSED')) return `check that ${at} runs and listens on port ${port}`
  if (/ENETUNREACH|EHOSTUNREACH/.test(why)) return 'check the network of this machine: it has no route there'
  return `check firewalls on the way: port ${port} of TCP has to be open (pbt-server doctor looks from the other side)`
}

/** TLS as the link has it: the server's name, its certificate and who vouches for it. */
export async function checkTls(settings: Settings, address: string, surroundings: Surroundings): Promise<Check> {
  const { server, proxy, ca } = settings
  const host = linkName(server)
  let socket: Socket | undefined
  try {
    socket = await opened(address, placeOf(settings).port)
    const late = `no answer within ${STEP_MS / 1_000} s`
    const beyond = { host, port: server.port }
    const way = proxy === undefined ? socket : await within(connectThrough(socket, proxy, beyond), late)
    const secure = connectTls({ socket: way, servername: host, ca, ALPNProtocols: ['h2'], rejectUnauthorized: false })
    await within(handshaken(secure), late)
    return judge(secure, settings, surroundings)
  } catch (error) {
    const { message, cure } = failureOf(error)
    const reason = reasonOf(error)
    if (/unrecognized name|handshake failure/.test(reason)) {
      const advice =
        'check the server that was given to "pbt init --server", and the DNS record: it may lead to another machine'
      return failed(
        'tls',
        `what answers at ${host}:${server.port} has no certificate for that name (${reason})`,
        advice,
      )
    }
    const isOther = /wrong version number|packet length too long|ECONNRESET|disconnected/.test(message)
    const advice = isOther
      ? `check that port ${server.port} is the one for https of pbt-server`
      : `check that pbt-server runs there`
    return failed('tls', `${host}:${server.port} did not shake hands: ${reason}`, cure || advice)
  } finally {
    socket?.destroy()
  }
}

function judge(secure: TLSSocket, { server, ca }: Settings, { wallTime }: Surroundings): Check {
  const host = linkName(server)
  const certificate = secure.getPeerCertificate()
  const [from, to] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)]
  const now = wallTime()
  const range = `valid from ${certificate.valid_from} to ${certificate.valid_to}`
  if (now < from || now > to) {
    const clock = `this machine's clock says ${new Date(now).toISOString()}`
    const cure =
      now < from
        ? 'set the clock of this machine'
        : 'check the clock of this machine, then the certificate: pbt-server doctor'
    return failed('tls', `the certificate of ${host} is ${range}, and ${clock}`, cure)
  }
  if (!secure.authorized) {
    const why = String(secure.authorizationError)
    if (/ALTNAME|altname/.test(why)) {
      const cure =
        'check the server that was given to "pbt init --server", and the DNS record: it may lead to another machine'
      return failed(
        'tls',
        `the certificate is not for ${host}, but for ${certificate.subjectaltname ?? 'no name'}`,
        cure,
      )
    }
    const whom = ca === undefined ? 'by none of the usual authorities' : 'by the authority that is stored for it'
    const cure =
      'give the server\'s own authority with "pbt init - --ca FILE" (dev-ca.pem of its data directory), or none for a public one'
    return failed('tls', `nobody vouches for the certificate of ${host}: not ${whom} (${why})`, cure)
  }
  if (secure.alpnProtocol !== 'h2') {
    const cure =
      'something in between takes the connection apart: let it pass this server as it is, or use another network'
    return failed('tls', `${host} does not speak HTTP/2 behind TLS`, cure)
  }
  const days = Math.floor((to - now) / DAY_MS)
  if (to - now < SOON_MS)
    return failed(
      'tls',
      `the certificate of ${host} ends in ${days} days`,
      'pbt-server doctor tells why it is not renewed',
    )
  return ok('tls', `${secure.getProtocol()}, a certificate for ${host} that is good for ${days} days`)
}

function handshaken(secure: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    secure.once('secureConnect', resolve)
    secure.on('error', reject)
    secure.once('close', () => reject(new Error('the connection was closed during the handshake')))
  })
}

/** OpenSSL's texts have its source lines; what it means is a field. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') return error.reason
  return failureOf(error).message
}

function opened(address: string, port: number): Promise<Socket> {
  const socket = connectTcp({ host: address, port })
  const connected = new Promise<Socket>((resolve, reject) => {
    socket.once('connect', () => resolve(socket))
    socket.on('error', reject)
  })
  return within(connected, `no connection within ${STEP_MS / 1_000} s`).catch(error => {
    socket.destroy()
    throw error
  })
}

async function within<T>(promise: Promise<T>, late: string): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(late)), STEP_MS)
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
