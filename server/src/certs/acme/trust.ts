// What the API of a CA is trusted by: the usual roots, and those of `acme-ca`.
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'

/** By the PEM of the roots beside the usual ones; undefined for '': the usual ones alone. */
export type Trust = (ca: string) => SecureContext | undefined

/** Keeps the last one: reading the usual roots takes 15 ms, in which this process serves nobody. */
export function rememberedTrust(): Trust {
  let last: { readonly ca: string; readonly context: SecureContext } | undefined
  return ca => {
    if (ca === '') return undefined
    if (last?.ca !== ca) last = { ca, context: createSecureContext({ ca: [...getCACertificates('default'), ca] }) }
    return last.context
  }
}
