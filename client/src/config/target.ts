// What a tunnel leads to: the forms a target may be given in, as one value.
import { isIP } from 'node:net'
import type { SecureContext } from 'node:tls'
import { expandHome, homeDirectory } from '../../../launch/home-path.ts'
import { Failure } from '../failure.ts'

/** Where to connect. */
export type Endpoint =
  | { readonly kind: 'tcp'; readonly hosts: readonly string[]; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** A target after its text and options were checked; it never changes. */
export interface Target {
  /** For people, and for the server to remember names by: `127.0.0.1:3000`. */
  readonly label: string
  readonly endpoint: Endpoint
  readonly isTls: boolean
  /** The host that the target calls itself, for `--host-header rewrite`. */
  readonly authority: string
  /** The name that it is asked for and its certificate should have; '' for an address. */
  readonly serverName: string
  /** On this machine. */
  readonly isLoopback: boolean
  /** Its certificate has to be right. */
  readonly isVerified: boolean
  /** What its certificate has to be vouched for by; undefined: the usual authorities. */
  readonly trusted: SecureContext | undefined
}

/** A server that listens on one of them only is found on either. */
const LOOPBACK_HOSTS = ['127.0.0.1', '::1']
const FORMS = 'use 3000, HOST:3000, http://HOST:PORT, https://HOST:PORT or unix:/PATH'
const HOST_AND_PORT = /^(\[[^\]]*\]|[^:]*):(\d+)$/
const HOST = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i

/** Reads a target as given on the command line. Throws Failure `usage`. */
export function parseTarget(text: string): Target {
  if (text === '') throw wrong(text, 'it is empty')
  if (text.startsWith('unix:')) return unixTarget(text)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme !== undefined) return urlTarget(text, scheme)
  if (/^\d+$/.test(text)) return tcpTarget(text, 'localhost', portOf(text, text), false)
  const match = HOST_AND_PORT.exec(text.replace(/\/$/, ''))
  if (match === null) throw notHostAndPort(text)
  return tcpTarget(text, match[1] ?? '', portOf(text, match[2] ?? ''), false)
}

function notHostAndPort(text: string): Failure {
  const [bare = ''] = text.split(/[/?#]/, 1)
  if (bare !== text && HOST_AND_PORT.test(bare)) return hasPath(text, bare)
  const port = /^(?:\[[^\]]*\]|[^:]*):([^:]+)$/.exec(text)?.[1]
  if (port !== undefined) return wrong(text, `"${port}" is not a port`)
  return wrong(text, 'it has no port', /^[^:\s/]+$/.test(text) ? `add one, for example ${text}:3000` : FORMS)
}

/** A tunnel has all paths of its target. */
function hasPath(text: string, bare: string): Failure {
  return wrong(
    text,
    `it has the path "${text.slice(bare.length)}"`,
    `drop the path: give ${bare}; visitors add their own`,
  )
}

/** Reads the target of a TCP or UDP tunnel. Throws Failure `usage`. */
export function parsePortTarget(text: string, protocol: 'tcp' | 'udp'): Target {
  const cure = protocol === 'tcp' ? 'use 22, HOST:22 or unix:/PATH' : 'use 51820 or HOST:51820'
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(text)?.[0]
  if (scheme !== undefined || (protocol === 'udp' && text.startsWith('unix:'))) {
    const why = `a ${protocol} tunnel leads to a port`
    throw new Failure('usage', `target "${text}" cannot be used: ${why}`, { cure })
  }
  try {
    return parseTarget(text)
  } catch (cause) {
    throw cause instanceof Failure && cause.cure === FORMS
      ? new Failure(cause.code, cause.message, { cure, cause })
      : cause
  }
}

function urlTarget(text: string, scheme: string): Target {
  if (scheme !== 'http' && scheme !== 'https') throw wrong(text, `"${scheme}" is not http or https`)
  const match = /^[a-z]+:\/\/(\[[^\]]*\]|[^:/?#@]*)(?::(\d+))?(\/?)(.*)$/i.exec(text)
  if (match === null || match[4] !== '') {
    const bare = /^[a-z]+:\/\/(?:\[[^\]]*\]|[^:/?#@]+)(?::\d+)?(?=[/?#])/i.exec(text)?.[0]
    throw bare === undefined ? wrong(text, 'only scheme, host and port can be given') : hasPath(text, bare)
  }
  const isTls = scheme === 'https'
  return tcpTarget(text, match[1] ?? '', portOf(text, match[2] ?? (isTls ? '443' : '80')), isTls)
}

function unixTarget(text: string): Target {
  const path = expandHome(text.slice('unix:'.length), homeDirectory()) ?? ''
  if (!path.startsWith('/')) throw wrong(text, 'the path of a socket must be absolute, or begin with "~/"')
  return {
    label: `unix:${path}`,
    endpoint: { kind: 'unix', path },
    isTls: false,
    authority: 'localhost',
    serverName: '',
    isLoopback: true,
    isVerified: false,
    trusted: undefined,
  }
}

function tcpTarget(text: string, written: string, port: number, isTls: boolean): Target {
  const host = written.replace(/^\[|\]$/g, '').toLowerCase()
  const family = isIP(host)
  if (family === 0 && !HOST.test(host)) throw wrong(text, `"${written}" is not a host name or IP address`)
  const isLocalhost = host === 'localhost' || host === 'localhost.'
  const shown = isLocalhost ? '127.0.0.1' : host
  const authority = `${family === 6 ? `[${host}]` : host}:${port}`
  const isLoopback = isLocalhost || host === '::1' || /^127\./.test(host)
  const label = `${isTls ? 'https://' : ''}${family === 6 ? `[${shown}]` : shown}:${port}`
  return {
    label,
    endpoint: { kind: 'tcp', hosts: isLocalhost ? LOOPBACK_HOSTS : [host], port },
    isTls,
    authority,
    serverName: family === 0 ? host : '',
    isLoopback,
    // What this machine says to itself nobody else hears.
    isVerified: !isLoopback,
    trusted: undefined,
  }
}

function portOf(text: string, digits: string): number {
  const port = Number(digits)
  if (port < 1 || port > 65_535) throw wrong(text, `port ${digits} is not between 1 and 65535`)
  return port
}

function wrong(text: string, why: string, cure = FORMS): Failure {
  return new Failure('usage', `target "${text}" cannot be used: ${why}`, { cure })
}
