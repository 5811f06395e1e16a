// What visitors come to: a name below the base domain, a custom domain, or a port. The one place that reads and writes addresses.
import { domainToASCII, domainToUnicode } from 'node:url'
import { notBare, PbtError } from '@pbt/proto'

/** What a public port speaks. */
export type Protocol = 'tcp' | 'udp'

/**
 * `text`: how it is kept and shown, `app`, `*.app`, `app.mine.uk`, `tcp:20022`, and in full what has several labels below the base domain;
 * one address has one text. `key`: how the registry has it, a full host name, which `*` may begin, or the port's text.
 */
export type Address = { readonly kind: 'name' | 'domain'; readonly text: string; readonly key: string } | PortAddress

/** A public port; its text is, for example, `tcp:20022`. */
export interface PortAddress {
  readonly kind: Protocol
  readonly text: string
  readonly key: string
  readonly number: number
}

/** Names of the edge itself; a tunnel under one of them could pass for it. `localhost` is every machine's own. */
const RESERVED = new Set(['link', 'admin', 'www', 'api', 'acme', 'localhost'])
/** RFC 1035 section 2.3.1, with digits first allowed by RFC 1123 section 2.1. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const WILDCARD = '*.'
const MAX_HOST_CHARS = 253
const MAX_PORT = 65_535

/** `tcp:20022`; `tcp-20022`, as logs and tunnels have it; `tcp://host:20022`. */
const PORT = /^(tcp|udp)(?:[:-]|:\/\/[^/]+:)(\d{1,5})\/?$/i
const URL_FORM = /^https?:\/\/([^/:]+)(?::\d{1,5})?(?:\/.*)?$/i

/** The address of a port. */
export function portAddress(protocol: Protocol, number: number): PortAddress {
  const text = `${protocol}:${number}`
  return { kind: protocol, text, key: text, number }
}

/** The name of the tunnel that has this address first and no name of its own: `app`, `app.mine.uk`, `tcp-20022`. */
export function tunnelNameFor({ text }: Address): string {
  return text.replace(':', '-')
}

/** `http` for names and domains. */
export function tunnelKindFor({ kind }: Address): 'http' | Protocol {
  return kind === 'name' || kind === 'domain' ? 'http' : kind
}

/** An address as it was kept; its text is `text`. */
export function keptAddress(text: string, baseDomain: string): Address {
  const [protocol, number] = text.split(':')
  if (number !== undefined) return portAddress(protocol === 'udp' ? 'udp' : 'tcp', Number(number))
  if (isBelowBase(text)) return { kind: 'name', text, key: `${text}.${baseDomain}` }
  return { kind: text.endsWith(`.${baseDomain}`) ? 'name' : 'domain', text, key: text }
}

/**
 * An address in any form in which people meet it, as a URL too. Throws PbtError `name-invalid`, `name-reserved` or `port-invalid`.
 */
export function parseAddress(text: string, baseDomain: string): Address {
  const trimmed = text.trim()
  const [, protocol, digits] = PORT.exec(trimmed) ?? []
  if (protocol !== undefined) {
    const number = Number(digits)
    if (number >= 1 && number <= MAX_PORT) return portAddress(protocol.toLowerCase() === 'udp' ? 'udp' : 'tcp', number)
    throw new PbtError('port-invalid', `"${printable(text)}" has no port from 1 to ${MAX_PORT}`, {
      cure: `give a port such as "${protocol.toLowerCase()}:20022"`,
    })
  }
  if (/^\d+$/.test(trimmed)) {
    throw new PbtError('port-invalid', `"${trimmed}" does not say whether it is a TCP or a UDP port`, {
      cure: `give "tcp:${trimmed}" or "udp:${trimmed}"`,
    })
  }
  return parseHost(URL_FORM.exec(trimmed)?.[1] ?? text, baseDomain)
}

/** `app` or `*.app`: one label and perhaps a wildcard, which needs no base domain behind it. */
function isBelowBase(text: string): boolean {
  return !withoutWildcard(text).includes('.')
}

function withoutWildcard(host: string): string {
  return host.startsWith(WILDCARD) ? host.slice(WILDCARD.length) : host
}

/**
 * The wildcard that stands for a host among others: as in certificates it stands for one label (RFC 6125 section 6.4.3). '' for a name of
 * one label.
 */
export function wildcardFor(host: string): string {
  const dot = host.indexOf('.')
  return dot === -1 ? '' : `*${host.slice(dot)}`
}

/** A host that the address leads to: for a wildcard one of those that it stands for. */
export function hostOf({ key }: Address): string {
  return key.startsWith(WILDCARD) ? `any${key.slice(1)}` : key
}

/**
 * A `--domain` as given: a label, a full name, or one of them after `*.`. Throws PbtError `name-invalid` or `name-reserved`.
 */
export function parseHost(text: string, baseDomain: string): Address {
  const ascii = toAscii(text)
  const suffix = `.${baseDomain}`
  if (withoutWildcard(ascii) === baseDomain) throw reserved(text, 'the server itself has it')
  if (isBelowBase(ascii)) return named(ascii, text, baseDomain)
  if (ascii.endsWith(suffix)) return named(ascii.slice(0, -suffix.length), text, baseDomain)
  const labels = withoutWildcard(ascii).split('.')
  if (labels.every(label => /^\d+$/.test(label))) throw invalid(text, 'it is an IP address, not a name')
  checkLabels(labels, text)
  return { kind: 'domain', text: ascii, key: ascii }
}

/** `below`: what stands before the base domain. */
function named(below: string, text: string, baseDomain: string): Address {
  const labels = withoutWildcard(below).split('.')
  const last = labels.at(-1) ?? ''
  if (RESERVED.has(last) || labels.some(label => label.startsWith('_'))) throw reserved(text, 'pbt keeps it for itself')
  checkLabels(labels, text)
  const key = `${below}.${baseDomain}`
  if (key.length > MAX_HOST_CHARS)
    throw invalid(text, `with the base domain it is longer than ${MAX_HOST_CHARS} characters`)
  return { kind: 'name', text: isBelowBase(below) ? below : key, key }
}

function checkLabels(labels: readonly string[], text: string): void {
  for (const label of labels) {
    if (LABEL.test(label)) continue
    if (label === '*') throw invalid(text, 'a wildcard "*." may come once, before a name')
    const part = labels.length === 1 ? 'a name' : `"${printable(label)}" is not a label: a label`
    throw invalid(text, `${part} has 1 to 63 letters, digits and hyphens, no hyphen at its ends`)
  }
}

function toAscii(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  if (trimmed.startsWith('_')) return trimmed.toLowerCase()
  if (trimmed === '' || trimmed.length > MAX_HOST_CHARS) throw invalid(text.slice(0, 80), 'it is empty or too long')
  // domainToASCII takes the beginning of what is a URL's authority; a name has none of these.
  if (/[\s/?#@:%[\]\\]/.test(trimmed)) {
    const { why, cure } = notBare(trimmed) ?? { why: 'it has characters that a name cannot have', cure: undefined }
    throw invalid(text, why, cure && printable(cure))
  }
  const ascii = domainToASCII(trimmed)
  if (ascii === '' || ascii.length > MAX_HOST_CHARS) throw invalid(text, 'it is not a valid international name')
  checkPunycode(ascii, text)
  return ascii
}

/** Browsers refuse a name whose "xn--" stands for nothing, and no CA has a certificate for it (RFC 5891 section 5.4). */
function checkPunycode(ascii: string, text: string): void {
  const wrong = ascii.split('.').find(label => label.startsWith('xn--') && domainToUnicode(label).startsWith('xn--'))
  if (wrong === undefined) return
  throw invalid(text, `"${wrong}" is not the coded form of an international name`, 'write the name in its own letters')
}

function invalid(
  text: string,
  why: string,
  cure = 'choose a name such as "myapp", or a full domain such as "app.mine.uk"',
): PbtError {
  return new PbtError('name-invalid', `name "${printable(text)}" cannot be used: ${why}`, { cure })
}

function reserved(text: string, why: string): PbtError {
  return new PbtError('name-reserved', `name "${printable(text)}" is reserved: ${why}`, { cure: 'choose another name' })
}

function printable(text: string): string {
  return text.slice(0, 300).replace(/[^\x20-\x7e]/g, '?')
}
