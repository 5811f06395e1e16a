// The target's own address for the public one, in whatever a request says of it: a service that is to see its own Host compares
// it with where the visitor says it comes from.
//
// Only of its own public address: what another site sends keeps that site's name, or services could not tell any more who asks.
import type { HeaderList, RequestHead } from '@pbt/proto'

/** What the target sees as Host. `origin`: scheme and authority as if it were visited under that name. */
export type HostHeader =
  | { readonly kind: 'preserve' }
  | { readonly kind: 'value'; readonly value: string; readonly origin: string }

/** Fields that hold a URL of the service: where a request comes from, and where WebDAV copies and moves to (RFC 4918 section 10.3). */
const URL_FIELDS: ReadonlySet<string> = new Set(['origin', 'referer', 'destination'])
/** Scheme, authority, and the rest. */
const ABSOLUTE = /^(https?):\/\/([^/?#]*)(.*)$/is
/** The resources that WebDAV's If names (RFC 4918 section 10.4.2). */
const TAGS = /<([^>]*)>/g

/** For a target that is to see this as its name and is spoken to over TLS or not. */
export function hostHeaderFor(value: string, isTls: boolean): HostHeader {
  // As programs write it: a port that goes without saying is left out.
  const name = value.replace(isTls ? /:443$/ : /:80$/, '')
  return { kind: 'value', value: name, origin: `${isTls ? 'https' : 'http'}://${name}` }
}

/** The request as the target is to see it. */
export function rewritten(head: RequestHead, host: HostHeader): RequestHead {
  if (host.kind === 'preserve') return head
  const names = publicNames(head.headers)
  const inward = (url: string): string => {
    const [, scheme = '', authority = '', rest = ''] = ABSOLUTE.exec(url) ?? []
    return scheme !== '' && names.includes(plain(scheme, authority)) ? host.origin + rest : url
  }
  const headers = [...head.headers]
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? '').toLowerCase()
    const value = headers[index + 1] ?? ''
    if (name === 'host') headers[index + 1] = host.value
    else if (URL_FIELDS.has(name)) headers[index + 1] = inward(value)
    else if (name === 'if') headers[index + 1] = value.replace(TAGS, (_, url: string) => `<${inward(url)}>`)
  }
  return { ...head, headers }
}

/** The one that the visitor sees, which behind a proxy of the owner is another than that of Host. */
function publicNames(headers: HeaderList): string[] {
  const scheme = lastOf(headers, 'x-forwarded-proto') === 'http' ? 'http' : 'https'
  const names = [lastOf(headers, 'x-forwarded-host'), lastOf(headers, 'host')]
  return names.filter(name => name !== '').map(name => plain(scheme, name))
}

function lastOf(headers: HeaderList, lowerName: string): string {
  let found = ''
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === lowerName) found = headers[index + 1] ?? ''
  }
  return found
}

/** Scheme and authority without the port that goes without saying, to be compared. */
function plain(scheme: string, authority: string): string {
  const lower = scheme.toLowerCase()
  return `${lower}://${authority.toLowerCase().replace(lower === 'https' ? /:443$/ : /:80$/, '')}`
}
