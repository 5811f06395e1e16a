// Credentials that a target takes for those of its connection: whoever uses that connection next would be served as the same person.

/**
 * Schemes whose credentials go with each request: IANA's registry of HTTP authentication schemes but for Negotiate, and what
 * services have made up. One that is not here may be of the connection: it only costs others the use of it.
 */
const OF_THE_REQUEST: ReadonlySet<string> = new Set([
  ...['basic', 'bearer', 'concealed', 'digest', 'dpop', 'gnap', 'hoba', 'mutual', 'oauth', 'privatetoken'],
  ...[
    'scram-sha-1',
    'scram-sha-256',
    'vapid',
    'apikey',
    'aws4-hmac-sha256',
    'key',
    'mediabrowser',
    'signature',
    'token',
  ],
])
const SCHEME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/
/** RFC 4559 and its kind, anywhere in a list of challenges. */
const CHALLENGE = /(?:^|[,\s])(?:negotiate|ntlm|kerberos|nego\w*|pku2u)(?=$|[,\s])/i

/** Whether an Authorization field may authenticate the connection it comes on. */
export function authenticatesConnection(authorization: string): boolean {
  const scheme = SCHEME.exec(authorization)?.[0] ?? ''
  return !OF_THE_REQUEST.has(scheme.toLowerCase())
}

/** Whether a WWW-Authenticate or Proxy-Authenticate field asks for that, or goes on with it. */
export function challengesConnection(authenticate: string): boolean {
  return CHALLENGE.test(authenticate)
}
