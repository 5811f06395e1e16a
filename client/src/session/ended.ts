// The one door where gRPC's statuses become failures that an owner understands.

import { formatProxy, type HttpProxy } from '../config/proxy.ts'
import { linkName, type ServerAddress } from '../config/server-address.ts'
import { Failure } from '../failure.ts'

/** How gRPC says that a call ended: the status by its name in the specification, and its text. */
export interface Ended {
  readonly status: string
  readonly details: string
}

/** Why there is nothing to connect to: the name has no address, or nobody could be asked, or nobody has answered yet. */
export function whyNotFound(server: ServerAddress, proxy: HttpProxy | undefined, cause: unknown): Failure {
  const reason = cause instanceof Error ? cause.message : String(cause)
  // A name that does not exist (ENOTFOUND) was answered by somebody, who need not be asked all the time.
  const isNear = !/ENOTFOUND/.test(reason)
  if (proxy === undefined) {
    return new Failure('unreachable', `${linkName(server)}:${server.port} cannot be reached: ${reason}`, {
      cure: `check the network, and the DNS records of *.${server.base}`,
      cause,
      isNear,
    })
  }
  return new Failure('unreachable', `the proxy ${formatProxy(proxy)} cannot be reached: ${reason}`, {
    cure: CHECK_PROXY,
    cause,
    isNear,
  })
}

const CHECK_PROXY = 'check HTTPS_PROXY, or name the server in NO_PROXY if no proxy is needed to reach it'

/** Why a call ended. `isConnecting`: before the server's welcome. */
export function whyEnded(server: ServerAddress, isConnecting: boolean, ended: Ended, proxy?: HttpProxy): Failure {
  const name = `${linkName(server)}:${server.port}`
  const cause = new Error(`gRPC status ${ended.status}: ${ended.details}`)
  switch (ended.status) {
    case 'UNAUTHENTICATED':
      return isConnecting
        ? new Failure('token-refused', `${server.base} refused the token`, { cause })
        : new Failure('token-revoked', `${server.base} no longer takes the token`, { cause })
    case 'RESOURCE_EXHAUSTED':
      if (!isConnecting) return lost(ended.details, cause)
      // What grpc-js says itself of a message that it does not take.
      if (ended.details.startsWith('Received message')) {
        return new Failure('protocol', `${name} answered the handshake with something else: ${ended.details}`, {
          cause,
        })
      }
      return new Failure('limited', `${server.base} limits this address: ${ended.details}`, {
        cure: 'wait a minute; too many wrong tokens came from this address',
        cause,
      })
    case 'FAILED_PRECONDITION':
      return new Failure('version', ended.details, { cause })
    case 'UNIMPLEMENTED':
      return new Failure('unreachable', `${name} is not a pbt-server`, {
        cure: 'check the server given to "pbt init --server"',
        cause,
      })
    case 'OK':
      return new Failure('link-lost', 'the server ended the link', { cause })
    default:
      return isConnecting ? unreachable(proxy, name, ended.details, cause) : lost(ended.details, cause)
  }
}

function lost(details: string, cause: Error): Failure {
  return new Failure('link-lost', `the link broke: ${reasonIn(details)}`, { cause })
}

function unreachable(proxy: HttpProxy | undefined, name: string, details: string, cause: Error): Failure {
  const reason = reasonIn(details)
  if (/wrong version number|packet length too long/.test(reason)) {
    const cure = 'check the port: it should be the one for https'
    return new Failure('unreachable', `${name} does not speak TLS`, { cure, cause })
  }
  // Alert 40 (RFC 8446, section 6.2): a pbt-server that waits for its first certificate has nothing else to say.
  if (/alert handshake failure/.test(reason)) {
    return new Failure('unreachable', `the server has no certificate for ${name} yet`, {
      cure: 'wait a minute; if it stays so, "sudo pbt-server doctor" on the VPS shows what the certificate needs',
      cause,
    })
  }
  // A small computer without a clock of its own begins in the past, until the network has told it the time.
  if (/certificate (?:is not yet valid|has expired)/.test(reason)) {
    return new Failure('untrusted', `the certificate of ${name} is not trusted: ${reason}`, {
      cure: 'check the clock of this machine; if it is right, "sudo pbt-server doctor" on the VPS shows what the certificate needs',
      cause,
    })
  }
  if (/certificate|altname|CERT_|self.signed|issuer|signature/i.test(reason)) {
    return new Failure('untrusted', `the certificate of ${name} is not trusted: ${reason}`, {
      cure: 'give the server\'s authority with "pbt init --ca FILE", or check the name of the server',
      cause,
    })
  }
  // There is no route to it, for now.
  const isNear = /ENETUNREACH|EHOSTUNREACH|ENETDOWN/.test(reason)
  if (proxy !== undefined && /^connect E/.test(reason)) {
    return new Failure('unreachable', `the proxy ${formatProxy(proxy)} cannot be reached: ${reason}`, {
      cure: CHECK_PROXY,
      cause,
      isNear,
    })
  }
  return new Failure('unreachable', `${name} cannot be reached: ${reason}`, { cure: cureOf(reason), cause, isNear })
}

function cureOf(reason: string): string {
  if (/ECONNREFUSED/.test(reason)) return 'check that pbt-server runs and listens on this port'
  return 'check the network, the port and that pbt-server runs'
}

/** What matters in grpc-js's text: the last error, without its class, its time and its notes. */
function reasonIn(details: string): string {
  const [, last = details] = /Last error: (.*)$/s.exec(details) ?? []
  return last
    .replace(/\s*Resolution note:.*$/s, '')
    .replace(/\s*\(\d{4}-\d\d-\d\dT[^)]*\)/g, '')
    .replace(/^(?:\w*Error: )+/, '')
    .replace(/; if the root CA is installed locally.*$/s, '')
    .replace(/[.;]?\s*$/, '')
    .split('\n', 1)
    .join('')
}
