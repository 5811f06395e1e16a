// The target's own name for the public one, in whatever a request says of it; and back in what the answer leads to.
//
// Only of its own public address: what another site sends keeps that site's name, or services could not tell any more who asks.
import type { HeaderList, RequestHead } from '@pbt/proto'

/** What the target sees as Host. `scheme`: of its own address; undefined: it is to see the visitor's. */
export type HostHeader =
  | { readonly kind: 'preserve' }
  | { readonly kind: 'value'; readonly value: string; readonly scheme: 'http' | 'https' | undefined }

/** Fields that hold a URL of the service: where a request comes from, and where WebDAV copies and moves to (RFC 4918 section 10.3). */
const URL_FIELDS: ReadonlySet<string> = new Set(['origin', 'referer', 'destination'])
/** And of an answer. */
const ANSWER_FIELDS: ReadonlySet<string> = new Set(['location', 'content-location'])
/** Whose name it is: scheme, authority, and the rest. */
const ABSOLUTE = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/is
/** The resources that WebDAV's If names (RFC 4918 section 10.4.2). */
const TAGS = /<([^>]*)>/g

/** What a request becomes for the target; undefined when it stays as it is. */
export function rewritingOf(head: RequestHead, host: HostHeader): Rewriting | undefined {
  return host.kind === 'preserve' ? undefined : new Rewriting(head, host)
}

export class Rewriting {
  /** As the target is to see it. */
  readonly head: RequestHead
  private readonly publicOrigin: string
  private readonly publicNames: readonly string[]
  private readonly authority: string
  private readonly origin: string

  constructor(head: RequestHead, { value, scheme }: HostHeader & { readonly kind: 'value' }) {
    const { headers } = head
    const publicScheme = lastOf(headers, 'x-forwarded-proto') === 'http' ? 'http' : 'https'
    const shown = lastOf(headers, 'host')
    // Behind a proxy of the owner the visitor sees another name than Host says.
    const asked = lastOf(headers, 'x-forwarded-host') || shown
    this.publicOrigin = `${publicScheme}://${asked}`
    this.publicNames = [asked, shown].map(name => plain(publicScheme, name))
    this.authority = value
    this.origin = `${scheme ?? publicScheme}://${value}`
    this.head = { ...head, headers: this.requestFields(headers) }
  }

  /** The fields of the answer as the visitor is to see them: a redirect to the target's own name leads nowhere outside. */
  answerFields(headers: HeaderList): HeaderList {
    return rewritten(headers, (name, value) => (ANSWER_FIELDS.has(name) ? this.outward(value) : value))
  }

  private requestFields(headers: HeaderList): HeaderList {
    return rewritten(headers, (name, value) => {
      if (name === 'host') return this.authority
      if (URL_FIELDS.has(name)) return this.inward(value)
      return name === 'if' ? value.replace(TAGS, (_, url: string) => `<${this.inward(url)}>`) : value
    })
  }

  private inward(url: string): string {
    const [, scheme = '', authority = '', rest = ''] = ABSOLUTE.exec(url) ?? []
    const isOurs = scheme !== '' && this.publicNames.includes(plain(scheme, authority))
    return isOurs ? this.origin + rest : url
  }

  private outward(url: string): string {
    const [, scheme = 'http', authority = '', rest = ''] = ABSOLUTE.exec(url) ?? []
    // Whichever scheme the target takes for its own.
    const isTheirs = authority !== '' && plain(scheme, authority) === plain(scheme, this.authority)
    return isTheirs ? this.publicOrigin + rest : url
  }
}

function rewritten(headers: HeaderList, value: (lowerName: string, value: string) => string): HeaderList {
  return headers.map((each, index) => (index % 2 === 0 ? each : value((headers[index - 1] ?? '').toLowerCase(), each)))
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
