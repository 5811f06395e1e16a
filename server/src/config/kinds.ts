// The kinds of value a setting can have: what is right, and how text or YAML becomes a value.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { domainToASCII } from 'node:url'
import { parseBlock } from '@pbt/proto'
import { expandHome, PATH_EXPECTED } from '../../../launch/home-path.ts'

/** How values of one kind are checked, read and written; never throws for a wrong value. */
export interface Kind<T> {
  /** Ends the sentence "must be …". */
  readonly expected: string
  /** All texts that are right, where there are few. */
  readonly choices?: readonly string[]
  /** The value, or undefined when it is not right. Takes text (environment, flags) and whatever YAML holds; `home`: the user's. */
  read(value: unknown, home: string): T | undefined
  /** The value as YAML. */
  show(value: T): string
}

/** Both ends are included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

const MAX_PORT = 65_535

/** Longest domain name and label, octets (RFC 1035, 2.3.4). */
const MAX_DOMAIN = 253
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** A token (RFC 9110, 5.6.2) in lower case. */
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/
/** What the edge says of a visitor itself, what ends at each hop or decides where a message goes and ends, and what is never passed on. */
const OWN_FIELDS =
  /^(x-forwarded-(for|proto|host|port)|forwarded|x-real-ip|pbt-error|host|proxy|proxy-(connection|authenticate|authorization)|connection|keep-alive|te|trailer|transfer-encoding|content-length|upgrade|expect|http2-settings)$/

/** In lower case, ASCII (punycode) and without a dot at the end; at most 253 octets. */
export const domain: Kind<string> = {
  expected: 'a domain name, for example tunnel.example.com',
  read: value => {
    const text = textOf(value)
    // domainToASCII takes the beginning of what is a URL's authority; a name has none of these.
    if (text === undefined || /[\s/?#@:%[\]\\]/.test(text)) return undefined
    const name = domainToASCII(text.replace(/\.$/, ''))
    if (name === '' || name.length > MAX_DOMAIN || isIP(name) !== 0) return undefined
    return name.split('.').every(label => LABEL.test(label)) ? name : undefined
  },
  show: String,
}

/** Empty for none. */
export const httpUrl: Kind<string> = {
  expected: 'an http or https URL, for example http://127.0.0.1:4318/v1/metrics, or empty',
  read: value => {
    if (value === '') return ''
    const text = textOf(value)
    return text !== undefined && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined
  },
  show: quoted,
}

/** Made absolute from the working directory, with `~` for the home directory. */
export const path: Kind<string> = {
  expected: PATH_EXPECTED,
  read: (value, home) => {
    const written = expandHome(textOf(value) ?? '', home)
    return written === undefined || written === '' ? undefined : resolve(written)
  },
  show: quoted,
}

/** Empty for none. */
export const pathOrNone: Kind<string> = {
  expected: `${PATH_EXPECTED}, or empty`,
  read: (value, home) => (value === '' ? '' : path.read(value, home)),
  show: quoted,
}

/** Where events are posted: never shown whole, its path or user may be secret. */
export const postUrl: Kind<string> = {
  expected: 'an http or https URL, for example https://ntfy.sh/my-topic',
  read: value => (value === '' ? undefined : httpUrl.read(value, '')),
  show: quoted,
}

/** A kind of events, all of a subject, or all. */
export const eventPattern: Kind<string> = {
  expected: 'a kind of events such as tunnel.killed, all of a subject such as tunnel.*, or *',
  read: value => {
    const text = textOf(value)
    return text !== undefined && /^(\*|[a-z]+\.(\*|[a-z-]+))$/.test(text) ? text : undefined
  },
  show: quoted,
}

/** Long enough that nobody guesses it; empty for none. */
export const secretText: Kind<string> = {
  expected: 'a secret of 16 to 500 characters, or empty',
  read: value => {
    if (value === '') return ''
    const text = textOf(value)
    return text !== undefined && text.length >= 16 && text.length <= 500 ? text : undefined
  },
  show: quoted,
}

/** 0 to 65535; 0 lets the system choose. */
export const port: Kind<number> = wholeNumber(0, MAX_PORT, 'a port from 0 to 65535 (0 chooses one)')

/** From `least` to `most`, both included, in decimal digits. */
export function wholeNumber(least: number, most: number, expected: string): Kind<number> {
  return {
    expected,
    read: value => {
      const text = typeof value === 'number' ? String(value) : textOf(value)
      if (text === undefined || !/^[0-9]{1,15}$/.test(text)) return undefined
      const number = Number(text)
      return number >= least && number <= most ? number : undefined
    },
    show: String,
  }
}

/** `none` is written as 0. */
export function wholeNumberOrNone(least: number, most: number, expected: string): Kind<number> {
  const kind = wholeNumber(0, most, expected)
  return {
    ...kind,
    read: (value, home) => {
      const number = kind.read(value, home)
      return number === undefined || (number > 0 && number < least) ? undefined : number
    },
  }
}

/** Two ports with a hyphen between; both are included. */
export const portRange: Kind<PortRange> = {
  expected: 'two ports from 1 to 65535, the lower one first, for example 20000-40000',
  read: value => {
    const match = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(textOf(value) ?? '')
    if (match === null) return undefined
    const first = Number(match[1])
    const last = Number(match[2])
    return first >= 1 && first <= last && last <= MAX_PORT ? { first, last } : undefined
  },
  show: showPortRange,
}

/** For example `20000-40000`. */
export function showPortRange({ first, last }: PortRange): string {
  return `${first}-${last}`
}

/** IPv4 or IPv6, kept as it was written. */
export const address: Kind<string> = {
  expected: 'an IPv4 or IPv6 address',
  read: value => {
    const text = textOf(value)
    return text !== undefined && isIP(text) !== 0 ? text : undefined
  },
  show: quoted,
}

/** An address, perhaps with a port (`[::1]:5353` for IPv6); empty for none. */
export const resolverAddress: Kind<string> = {
  expected: 'an address such as 9.9.9.9, 127.0.0.1:5353 or [::1]:5353, or empty',
  read: value => {
    if (value === '') return ''
    const text = textOf(value)
    if (text === undefined || isIP(text) !== 0) return text
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text) ?? []
    const isAddress = isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4
    return isAddress && Number(digits) >= 1 && Number(digits) <= MAX_PORT ? text : undefined
  },
  show: quoted,
}

/** Written as `off` for none, which is '' in the program: an empty variable counts as not set. */
export const secureUrlOrOff: Kind<string> = {
  expected: 'an https URL, or off',
  read: value => {
    const text = textOf(value)
    if (value === false || text === 'off') return ''
    return text?.startsWith('https:') && URL.canParse(text) ? text : undefined
  },
  show: value => (value === '' ? 'off' : quoted(value)),
}

/** Empty for none. What the CA would refuse anyway is refused here. */
export const emailOrNone: Kind<string> = {
  expected: 'one email address, or empty',
  read: value => {
    if (value === '') return ''
    const text = textOf(value)
    return text !== undefined && /^[\x21-\x3b\x3d\x3f\x41-\x7e]{1,64}@[a-z0-9.-]{1,253}$/i.test(text) ? text : undefined
  },
  show: quoted,
}

/** Empty for the CA's default. */
export const profileName: Kind<string> = {
  expected: 'the name of a profile of the CA, for example classic or shortlived, or empty',
  read: value => {
    if (value === '') return ''
    const text = textOf(value)
    return text !== undefined && /^[a-z0-9._-]{1,64}$/i.test(text) ? text : undefined
  },
  show: quoted,
}

/** One address or a CIDR block, kept as it was written. */
export const block: Kind<string> = {
  expected: 'an address or CIDR block, for example 10.0.0.0/8 or 2001:db8::/32',
  read: value => {
    const text = textOf(value)
    return text !== undefined && typeof parseBlock(text) !== 'string' ? text : undefined
  },
  show: quoted,
}

/** In lower case. */
export const proxyField: Kind<string> = {
  expected:
    'the name of a header field that a proxy sets, for example Remote-User, and that this server neither sets nor removes itself',
  read: value => {
    const name = textOf(value)?.toLowerCase()
    return name !== undefined && FIELD_NAME.test(name) && !OWN_FIELDS.test(name) ? name : undefined
  },
  show: String,
}

/** A YAML boolean, or the text `true` or `false`. */
export const yesOrNo: Kind<boolean> = {
  expected: 'true or false',
  choices: ['true', 'false'],
  read: value => {
    const text = typeof value === 'boolean' ? String(value) : textOf(value)
    return text === 'true' ? true : text === 'false' ? false : undefined
  },
  show: String,
}

/** Exactly one of these texts, in the same case. */
export function oneOf<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    expected: `one of ${values.join(', ')}`,
    choices: values,
    read: value => values.find(known => known === textOf(value)),
    show: String,
  }
}

/** Several values: a YAML list, or text with commas between. */
export function listOf<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    expected: `a list, each ${kind.expected}`,
    read: (value, home) => {
      const parts = Array.isArray(value) ? value : textOf(value)?.split(',')
      if (parts === undefined) return undefined
      const values = parts.map(part => kind.read(part, home))
      return values.every(item => item !== undefined) ? values : undefined
    },
    show: values => `[${values.map(value => kind.show(value)).join(', ')}]`,
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  return text === '' ? undefined : text
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
