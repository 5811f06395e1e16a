// The proxy that the surroundings name for connections to other machines, and whether it is for this server.
import { BlockList, isIP, isIPv6 } from 'node:net'
import { Failure } from '../failure.ts'

/** An HTTP proxy that passes connections on (CONNECT, RFC 9110 section 9.3.6). */
export interface HttpProxy {
  /** A name or an address. */
  readonly host: string
  readonly port: number
  /** The connection to the proxy is itself encrypted. */
  readonly isTls: boolean
  /** The value of Proxy-Authorization, which is secret; undefined: none was given. */
  readonly authorization: string | undefined
}

const CURE =
  'give it like http://proxy.example:3128 or https://USER:PASSWORD@proxy.example:443, or name the server in NO_PROXY'

/**
 * The proxy for a host, as curl reads the variables: `https_proxy` before `HTTPS_PROXY`, and not what `no_proxy` or `NO_PROXY` names.
 * Throws Failure `usage`, which never shows the value: it may hold a password.
 */
export function proxyFor(
  env: Readonly<Record<string, string | undefined>>,
  host: string,
  port: number,
): HttpProxy | undefined {
  const name = env.https_proxy ? 'https_proxy' : 'HTTPS_PROXY'
  const text = env[name]
  if (!text || isExcepted(env.no_proxy || env.NO_PROXY || '', host, port)) return undefined
  const url = parsed(text)
  if (url === undefined) throw new Failure('usage', `${name} is not the address of a proxy`, { cure: CURE })
  const isTls = url.protocol === 'https:'
  if (!isTls && url.protocol !== 'http:') {
    throw new Failure(
      'usage',
      `${name} names a proxy of the kind "${url.protocol.slice(0, -1)}", and pbt knows http and https`,
      {
        cure: CURE,
      },
    )
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (isTls ? 443 : 80)),
    isTls,
    authorization: authorizationOf(url, name),
  }
}

/** `HOST:PORT`, without secrets. */
export function formatProxy({ host, port }: HttpProxy): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

function parsed(text: string): URL | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  return url === null || url.hostname === '' ? undefined : url
}

/** RFC 7617. */
function authorizationOf({ username, password }: URL, name: string): string | undefined {
  if (username === '' && password === '') return undefined
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(pair).toString('base64')}`
  } catch (cause) {
    const cure = 'write a % of the password as %25'
    throw new Failure('usage', `the user or password in ${name} is not percent-encoded`, { cure, cause })
  }
}

/** Names hold for themselves and what is below them, addresses and blocks for addresses; `*` for everything. */
function isExcepted(list: string, host: string, port: number): boolean {
  return list
    .split(/[\s,]+/)
    .filter(Boolean)
    .some(entry => entry === '*' || isOf(entry.toLowerCase(), host.toLowerCase(), port))
}

function isOf(entry: string, host: string, port: number): boolean {
  if (isIP(host) !== 0) return isInBlock(entry, host)
  const [, name = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? []
  if (name === '' || (only !== undefined && Number(only) !== port)) return false
  return host === name || host.endsWith(`.${name}`)
}

function isInBlock(entry: string, host: string): boolean {
  const [address = '', bits] = entry.replace(/^\[|\]$/g, '').split('/')
  const family = isIP(address)
  if (family === 0 || family !== isIP(host)) return false
  const most = family === 4 ? 32 : 128
  const prefix = Number(bits ?? most)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > most) return false
  const list = new BlockList()
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}
