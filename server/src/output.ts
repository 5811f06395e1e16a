// The only place that writes to stdout: JSON lines for programs, or words that say what to do next.
import type { Outlet } from '../../launch/outlet.ts'
import { type ConfigProblem, sentenceOf } from './config.ts'
import type { FailureCode } from './failure.ts'

/** What pbt-server tells programs; the fields are a promise. */
export type ServerEvent =
  | { readonly event: 'initialised'; readonly token: string; readonly dataDir: string; readonly ca?: string }
  | Ready
  | {
      readonly event: 'allowlists'
      /** Without `allow` none is set on the server, and what the client says holds; an empty one lets everybody in. */
      readonly lists: readonly { readonly addresses: readonly string[]; readonly allow?: readonly string[] }[]
    }
  | { readonly event: 'stopping' }
  | { readonly event: 'stopped' }
  | {
      readonly event: 'error'
      readonly code: FailureCode
      readonly message: string
      readonly cure: string
      /** One for each setting that is not right. */
      readonly problems?: readonly ConfigProblem[]
    }

export interface Ready {
  readonly event: 'ready'
  readonly baseDomain: string
  /** The ports that are bound; 0: none. */
  readonly https: number
  readonly http: number
  /** The ports that visitors use, where these are passed on to the ones that are bound. */
  readonly publicHttps?: number
  readonly publicHttp?: number
  readonly dns: number
  readonly portRange: string
  /** The file of the development authority, when there is one. */
  readonly ca?: string
  readonly publicAddress?: readonly string[]
}

export type Output = (event: ServerEvent) => void

export interface OutputStreams {
  readonly stdout: Outlet
  readonly stderr: Outlet
}

/** One JSON object a line on stdout. */
export function jsonOutput({ stdout }: OutputStreams): Output {
  return ({ event, ...fields }) => {
    stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`)
  }
}

/** For people: errors go to stderr. */
export function plainOutput({ stdout, stderr }: OutputStreams): Output {
  return event => (event.event === 'error' ? stderr : stdout).write(`${textOf(event)}\n`)
}

function textOf(event: ServerEvent): string {
  switch (event.event) {
    case 'initialised':
      return `pbt-server is set up in ${event.dataDir}

Your token, shown only this once:

  ${event.token}

Next: pbt-server start`
    case 'ready':
      return readyText(event)
    case 'allowlists':
      if (event.lists.length === 0) return 'no allowlist is set here: what clients say with --allow holds'
      return event.lists.map(({ addresses, allow }) => `${addresses.join(', ')}: ${visitorsIn(allow)}`).join('\n')
    case 'stopping':
      return 'pbt-server: stopping, requests in flight may end (again to stop at once)'
    case 'stopped':
      return 'pbt-server: stopped'
    case 'error': {
      const message = event.problems === undefined ? [event.message] : event.problems.map(sentenceOf)
      return [`pbt-server: ${message.join('\n  ')}`, event.cure].filter(line => line !== '').join('\n  ')
    }
  }
}

function readyText({ baseDomain, ca, publicAddress, ...ports }: Ready): string {
  const [https, http] = [ports.publicHttps ?? ports.https, ports.publicHttp ?? ports.http]
  const authority = ca === undefined ? '' : ` --ca ${ca}`
  const lines = [
    `pbt-server is ready: tunnels appear as https://<name>.${baseDomain}${https === 443 ? '' : `:${https}`}`,
    '',
    'On the machine with your service:',
    `  pbt init <token> --server ${baseDomain}:${https}${authority}`,
    '  pbt tunnel http 3000 --domain myapp',
  ]
  if (ca !== undefined) {
    lines.push('', `Without certificates: http://<name>.${baseDomain}:${http}`, `For browsers and curl: ${ca}`)
  } else if (publicAddress !== undefined && publicAddress.length > 0) {
    lines.push('', 'DNS records for it:')
    for (const address of publicAddress) {
      const type = address.includes(':') ? 'AAAA' : 'A'
      lines.push(`  ${baseDomain}. ${type} ${address}`, `  *.${baseDomain}. ${type} ${address}`)
    }
  }
  return lines.join('\n')
}

function visitorsIn(allow: readonly string[] | undefined): string {
  if (allow === undefined) return 'what its client says with --allow'
  return allow.length === 0 ? 'everybody' : allow.join(' ')
}
