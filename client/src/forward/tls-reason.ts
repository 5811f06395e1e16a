// Why TLS with a target failed, for its owner: what is wrong, and the option that helps.

/** Of OpenSSL and Node, for a certificate that nobody who is trusted vouches for. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
])
/** Of OpenSSL, for what is no TLS. */
const NO_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
])
/** Names of a certificate that are told; it may have hundreds. */
const MAX_NAMES = 5

/** Undefined for an error that has nothing to do with TLS. `asked`: the name or address that the certificate should have. */
export function tlsReason(error: Error, asked: string): string | undefined {
  const code = 'code' in error ? String(error.code) : ''
  if (UNTRUSTED.has(code)) {
    const what = code.includes('SELF_SIGNED') ? 'a self-signed certificate' : 'a certificate of an unknown authority'
    return `it has ${what} (--target-ca FILE trusts it or its authority, --insecure-target trusts any)`
  }
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired (--insecure-target accepts it all the same)'
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet, by the clock of this machine'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for ${namesOf(error)} and not for ${asked} (--target-name NAME gives the name to expect)`
  }
  if (NO_TLS.has(code)) return 'it does not speak TLS (give the target without https://)'
  if (/UNRECOGNI[SZ]ED_NAME$/.test(code)) {
    const refused = asked === '' ? 'a connection without a name' : `the name ${asked}`
    return `it refused ${refused} (--target-name NAME gives the name to ask for)`
  }
  if (code.startsWith('ERR_SSL_') && 'reason' in error) return `TLS failed: ${String(error.reason)}`
  return undefined
}

function namesOf(error: Error): string {
  const certificate: unknown = 'cert' in error ? error.cert : undefined
  const text =
    typeof certificate === 'object' && certificate !== null && 'subjectaltname' in certificate
      ? String(certificate.subjectaltname ?? '')
      : ''
  const names = text.split(', ').map(each => each.replace(/^[^:]*:/, ''))
  if (text === '') return 'no name'
  return names.length > MAX_NAMES ? `${names.slice(0, MAX_NAMES).join(', ')} and others` : names.join(', ')
}
