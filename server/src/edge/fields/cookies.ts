// Cookies that a tunnel sets for the base domain would go to all others: stripped where the owner wants tunnels apart.
import type { HeaderList } from '@pbt/proto'

const SET_COOKIE = 'set-cookie'
/** A name that is read alike by everybody: no escapes, no letters that some fold into others. */
const PLAIN_NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

/** Removes Set-Cookie fields whose Domain would send the cookie to other tunnels (RFC 6265 section 5.2.3). */
export class CookieIsolation {
  private readonly baseDomain: string
  private readonly stripped: (tunnel: string) => void

  /** `baseDomain`: in lower case. `stripped` is called for each cookie that is left out. */
  constructor(baseDomain: string, stripped: (tunnel: string) => void) {
    this.baseDomain = baseDomain
    this.stripped = stripped
  }

  /** An answer's fields without the cookies that reach the base domain: the same list when there are none. */
  keep(fields: HeaderList, tunnel: string): HeaderList {
    let kept: HeaderList | undefined
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const name = fields[index] ?? ''
      const value = fields[index + 1] ?? ''
      if (name.length === SET_COOKIE.length && name.toLowerCase() === SET_COOKIE && this.reachesBase(value)) {
        kept ??= fields.slice(0, index)
        this.stripped(tunnel)
      } else kept?.push(name, value)
    }
    return kept ?? fields
  }

  private reachesBase(cookie: string): boolean {
    const domain = cookieDomain(cookie)
    if (domain === undefined) return false
    return !PLAIN_NAME.test(domain) || domain === this.baseDomain || this.baseDomain.endsWith(`.${domain}`)
  }
}

/** What surrounds a value without being part of it, and dots that browsers do not count. */
const AROUND = /^[\s"'.]+|[\s"'.]+$/g

/**
 * The domain that a Set-Cookie value is for, in lower case; undefined: only for the host that sets it. Of several Domain
 * attributes the last counts (RFC 6265 sections 5.2.3 and 5.3); whether an empty one does browsers do not agree, so it does not.
 */
function cookieDomain(cookie: string): string | undefined {
  let domain: string | undefined
  // Quotes do not keep a semicolon from ending an attribute.
  for (const attribute of cookie.split(';').slice(1)) {
    const [name = '', ...value] = attribute.split('=')
    if (name.trim().toLowerCase() !== 'domain') continue
    domain = value.join('=').replace(AROUND, '').toLowerCase() || domain
  }
  return domain
}
