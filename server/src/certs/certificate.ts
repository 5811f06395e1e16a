// Issues the two kinds of certificate that development needs: an authority for localhost alone, and its leaves (RFC 5280).
// By hand, because it is little, synchronous and a millisecond; libraries for it bring a dependency container along.
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto'
import { bits, boolean, type Der, explicit, implicit, integer, octets, oid, sequence, set, time, utf8 } from './der.ts'

/** What every certificate of the authority has as its issuer. */
export interface Authority {
  readonly name: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))
const COMMON_NAME = oid('2.5.4.3')
const SERVER_AUTHENTICATION = oid('1.3.6.1.5.5.7.3.1')

/** ub-common-name (RFC 5280, appendix A). A name that is longer stands in the subject's alternative names alone. */
const MAX_COMMON_NAME = 64

const VERSION_3 = explicit(0, integer(Buffer.of(2)))
const SERIAL_BYTES = 16

/** Clocks that are behind accept the certificate too. */
const BACKDATED_MS = 24 * 3_600_000

// GeneralName (RFC 5280, 4.2.1.6).
const dnsName = (name: string): Der => implicit(2, Buffer.from(name))
const ipAddress = (...bytes: readonly number[]): Der => implicit(7, Buffer.from(bytes))

const LOOPBACK_V4 = [127, 0, 0, 1]
const LOOPBACK_V6 = [...Array<number>(15).fill(0), 1]
const WHOLE_V6 = Array<number>(16).fill(255)

/** The authority's own certificate, in PEM. It can vouch for localhost, names below it and loopback, nothing else. */
export function authorityCertificate(authority: Authority, notAfter: Date): string {
  const permitted = [
    dnsName('localhost'),
    ipAddress(127, 0, 0, 0, 255, 0, 0, 0),
    ipAddress(...LOOPBACK_V6, ...WHOLE_V6),
  ]
  return issue(authority, authority.name, authority.publicKey, notAfter, [
    extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.of(0)))),
    // keyCertSign and cRLSign: bits 5 and 6 (4.2.1.3).
    extension('2.5.29.15', true, bits(Buffer.of(0b0000_0110), 1)),
    extension('2.5.29.14', false, octets(keyId(authority.publicKey))),
    extension('2.5.29.30', true, sequence(explicit(0, ...permitted.map(base => sequence(base))))),
  ])
}

/** A certificate for one name, in PEM; for `localhost` it holds for the loopback addresses too. */
export function leafCertificate(authority: Authority, name: string, publicKey: KeyObject, notAfter: Date): string {
  const isNamed = name.length <= MAX_COMMON_NAME
  const addresses = name === 'localhost' ? [ipAddress(...LOOPBACK_V4), ipAddress(...LOOPBACK_V6)] : []
  return issue(authority, isNamed ? name : '', publicKey, notAfter, [
    extension('2.5.29.19', true, sequence()),
    // digitalSignature: bit 0.
    extension('2.5.29.15', true, bits(Buffer.of(0b1000_0000), 7)),
    extension('2.5.29.37', false, sequence(SERVER_AUTHENTICATION)),
    extension('2.5.29.14', false, octets(keyId(publicKey))),
    extension('2.5.29.35', false, sequence(implicit(0, keyId(authority.publicKey)))),
    // The only one that names an empty subject is critical (RFC 5280, 4.1.2.6).
    extension('2.5.29.17', !isNamed, sequence(dnsName(name), ...addresses)),
  ])
}

function issue(
  { name: issuer, privateKey }: Authority,
  subject: string,
  publicKey: KeyObject,
  notAfter: Date,
  extensions: readonly Der[],
): string {
  const toBeSigned = sequence(
    VERSION_3,
    integer(randomBytes(SERIAL_BYTES)),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer),
    sequence(time(new Date(Date.now() - BACKDATED_MS)), time(notAfter)),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions)),
  )
  const certificate = sequence(toBeSigned, ECDSA_WITH_SHA256, bits(sign('sha256', toBeSigned, privateKey)))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function distinguishedName(commonName: string): Der {
  return commonName === '' ? sequence() : sequence(set(sequence(COMMON_NAME, utf8(commonName))))
}

function extension(id: string, isCritical: boolean, value: Der): Der {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value))
}

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}
