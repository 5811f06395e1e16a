// The fields with which proxies, gateways and web servers tell the service behind them of a request: a visitor's own are forged.

/** Fields of one kind, as docs/limits.md shows them. */
export interface ProxyFields {
  readonly tells: string
  /** In lower case. `*` at the end: whatever begins so; at the beginning: whatever ends so. */
  readonly names: readonly string[]
}

/**
 * What services, frameworks and their middleware believe without asking who said it, by the names that web servers, gateways,
 * content networks and authenticating proxies use.
 */
export const PROXY_FIELDS: readonly ProxyFields[] = [
  {
    tells: 'where a visitor comes from',
    names: words(`
      x-forwarded* forwarded forwarded-* x-real-ip *-real-ip client-ip x-client-ip true-client-ip x-cluster-client-ip
      *-client-ip *-clientip *-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-ipcountry cloudfront-viewer-* x-envoy-*
      x-azure-socketip x-nf-client-connection-ip x-appengine-user-ip appengine-user-ip x-originating-ip x-proxyuser-ip`),
  },
  {
    tells: 'who a visitor is',
    names: words(`
      remote-* x-remote-* x-auth-request-* x-authenticated-* x-authentik-* x-webauth-* x-vouch-* x-pomerium-* tailscale-user-*
      cf-access-authenticated-* x-goog-authenticated-* x-amzn-oidc-* x-ms-client-principal* oidc-* shib-* mellon-*`),
  },
  {
    tells: 'which certificate a visitor has',
    names: words(`
      client-cert client-cert-chain x-client-cert* x-client-verify* x-client-dn* ssl-client* x-ssl-client* tls-client*
      x-tls-client* x-arr-clientcert* x-amzn-mtls-*`),
  },
  {
    tells: 'what was requested, and how',
    names: words(`
      x-original-url x-original-uri x-original-host x-original-method x-original-proto x-original-scheme x-original-port
      x-original-prefix x-original-for x-original-forwarded* x-original-remote-* x-rewrite-* x-host x-http-host-override
      x-scheme x-url-scheme x-arr-ssl front-end-https cf-visitor script-name x-script-name path-info`),
  },
  { tells: 'what the proxy will do with the response', names: words('x-accel-* x-sendfile-type') },
  {
    tells: 'nothing: between proxies, and the variable HTTP_PROXY of some services',
    names: words('proxy proxy-* x-proxy-* wl-proxy-*'),
  },
]

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

const NAMES = PROXY_FIELDS.flatMap(({ names }) => names)
const ENDINGS = NAMES.filter(name => name.startsWith('*')).map(name => name.slice(1))
/** Those that are judged by how they begin, with a `*` where anything may follow; the others end in `ip`. */
export const PROXY_FIELD_BEGINNINGS: readonly string[] = NAMES.filter(name => !name.startsWith('*'))

const BY_BEGINNING = new RegExp(
  `^(?:${PROXY_FIELD_BEGINNINGS.map(name => name.replace(/\*$|$/, at => (at === '*' ? '' : '$'))).join('|')})`,
)
const BY_ENDING = new RegExp(`(?:${ENDINGS.join('|')})$`)

/** Whether only a proxy may say it. `plainName`: as `plainNameOf` makes it. */
export function isProxyField(plainName: string): boolean {
  return BY_BEGINNING.test(plainName) || (plainName.endsWith('ip') && BY_ENDING.test(plainName))
}

const SIGN = /[^a-z0-9-]/
const SIGNS = /[^a-z0-9-]/g

/**
 * A lower-case name with a hyphen for every other sign: services that get fields as variables (CGI, WSGI, Rack, PHP) cannot
 * tell `X_Real_IP` from `X-Real-IP`.
 */
export function plainNameOf(lowerName: string): string {
  return SIGN.test(lowerName) ? lowerName.replace(SIGNS, '-') : lowerName
}
