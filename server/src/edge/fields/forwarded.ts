// What a trusted proxy says of the request it passes on: who sent it, and how it reached the proxy.
import type { AddressUse } from '../../access/address-use.ts'
import type { TrustedProxies } from '../../access/trusted-proxies.ts'
import { UNKNOWN } from '../../access/trusted-proxies.ts'
import { endpointOf, forwardedNode, hostName, type Visitor, valuesOf } from './headers.ts'

/**
 * The visitor of one request. `connection`: what its connection says, the visitor itself unless that is a trusted proxy;
 * `raw`: the fields in Node's flat form. X-Forwarded-For comes before Forwarded: more proxies write it, and a proxy that
 * writes one of them may pass on the visitor's own of the other. `useOf`: what an address has under way.
 */
export function visitorBehind(
  connection: Visitor,
  raw: readonly string[],
  proxies: TrustedProxies,
  useOf: (address: string) => AddressUse,
): Visitor {
  if (!connection.isTrusted) return connection
  const chain = listOf(valuesOf(raw, 'x-forwarded-for'))
  const elements = chain.length > 0 ? [] : parseForwarded(valuesOf(raw, 'forwarded').join(','))
  const hops = chain.length > 0 ? chain : elements?.map(element => element.get('for') ?? '')
  const origin = hops === undefined ? UNKNOWN : proxies.originOf(hops)
  if (origin === undefined) return connection // the proxy's own request, such as a check of its health
  const nearest = elements?.at(-1)
  const scheme = schemeOf(lastOf(raw, 'x-forwarded-proto') ?? nearest?.get('proto')) ?? connection.scheme
  const host = authorityOf(lastOf(raw, 'x-forwarded-host') ?? nearest?.get('host'))
  const port = portOf(lastOf(raw, 'x-forwarded-port'))
  const node = forwardedNode(origin.address)
  const said = [`for=${node}`, ...(host === '' ? [] : [`host="${host}"`]), `proto=${scheme}`].join(';')
  const known = elements === undefined || elements.length === 0 ? said : valuesOf(raw, 'forwarded').join(', ')
  return {
    address: origin.address,
    endpoint: endpointOf(origin.address, origin.port),
    scheme,
    port,
    forwardedFor: node,
    isTrusted: false,
    // The proxy may have others' requests on the same one.
    connection: '',
    use: useOf(origin.address),
    believed: proxies.fields,
    behind: {
      proxy: connection,
      chain: chain.length > 0 ? chain.join(', ') : origin.address,
      forwarded: known,
      host,
    },
  }
}

/** The elements of lists that may come in several fields (RFC 9110 section 5.6.1). */
function listOf(values: readonly string[]): string[] {
  return values.flatMap(value => value.split(',').map(part => part.trim())).filter(part => part !== '')
}

/** What the nearest proxy said, if each appended its own. */
function lastOf(raw: readonly string[], name: string): string | undefined {
  return listOf(valuesOf(raw, name)).at(-1)
}

function schemeOf(text: string | undefined): Visitor['scheme'] | undefined {
  const lower = text?.toLowerCase()
  return lower === 'http' || lower === 'https' ? lower : undefined
}

/** '' for what is none. */
function authorityOf(text: string | undefined): string {
  return text !== undefined && hostName(text) !== undefined ? text : ''
}

/** '' for what is none. */
function portOf(text: string | undefined): string {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? text : ''
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const PAIR = new RegExp(`[ \\t]*(${TOKEN})=(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))[ \\t]*(;|,|$)`, 'y')
/** What may stand between elements: lists may have empty ones. */
const GAP = /[ \t,]*/y

/** The elements of Forwarded (RFC 7239 section 4), names in lower case; undefined when it is malformed. */
function parseForwarded(text: string): Map<string, string>[] | undefined {
  const elements: Map<string, string>[] = []
  let at = 0
  let element: Map<string, string> | undefined
  for (;;) {
    if (element === undefined) {
      GAP.lastIndex = at
      at += GAP.exec(text)?.[0].length ?? 0
      if (at >= text.length) return elements
      element = new Map()
      elements.push(element)
    }
    PAIR.lastIndex = at
    const match = PAIR.exec(text)
    const name = match?.[1]?.toLowerCase()
    if (match === null || name === undefined || element.has(name)) return undefined
    element.set(name, match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '')
    at += match[0].length
    if (match[4] !== ';') element = undefined
  }
}
