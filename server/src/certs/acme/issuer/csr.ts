// A certificate request (RFC 2986) for names, signed by the certificate's own key.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { bits, explicit, implicit, integer, octets, oid, sequence, set } from '../../der.ts'

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))
const EXTENSION_REQUEST = oid('1.2.840.113549.1.9.14')
const SUBJECT_ALTERNATIVE_NAME = oid('2.5.29.17')

/**
 * DER. `pem`: the key, P-256. The names are in the extension alone: a common name has room for 64 characters only, and the CA puts one
 * in where its profile has one.
 */
export function certificateRequest(names: readonly string[], pem: string): Buffer {
  const key = createPrivateKey(pem)
  const dnsNames = names.map(name => implicit(2, Buffer.from(name)))
  const extension = sequence(SUBJECT_ALTERNATIVE_NAME, octets(sequence(...dnsNames)))
  const toBeSigned = sequence(
    integer(Buffer.of(0)),
    sequence(),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    explicit(0, sequence(EXTENSION_REQUEST, set(sequence(extension)))),
  )
  return sequence(toBeSigned, ECDSA_WITH_SHA256, bits(sign('sha256', toBeSigned, key)))
}
