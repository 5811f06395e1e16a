// Reads a section of HTTP/1 fields (header or trailer), strictly (RFC 9112 section 5).
import type { HeaderList } from '../codec/heads.ts'

/** What came is no HTTP/1, or not of the kind that can be forwarded safely; the message says what. */
export class Http1Error extends Error {
  /** A limit was passed, not a rule broken. */
  readonly isTooLarge: boolean

  constructor(message: string, isTooLarge = false) {
    super(message)
    this.isTooLarge = isTooLarge
  }
}

const COLON = 0x3a
const SPACE = 0x20
const TAB = 0x09

/** 1 for each octet of a token (RFC 9110 section 5.6.2). */
const TOKEN = octets(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/)
/** 1 for each octet of a value, white space included (RFC 9110 section 5.5). */
const VALUE = octets(/[\t\x20-\x7e\x80-\xff]/)

function octets(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (pattern.test(String.fromCharCode(octet)) ? 1 : 0))
}

/**
 * The fields of `text` (octets as latin1) from `from` to its end, lines parted by CRLF, the last one without. Throws
 * Http1Error for more than `maxFields` and for a line that is no field: a bare CR or LF, a folded line, white space
 * before the colon.
 */
export function readFields(text: string, from: number, maxFields: number): HeaderList {
  const fields: HeaderList = []
  let at = from
  while (at < text.length) {
    let end = at
    while (TOKEN[text.charCodeAt(end)] === 1) end++
    if (end === at || text.charCodeAt(end) !== COLON) throw new Http1Error('a header field is malformed')
    if (fields.length === 2 * maxFields) throw new Http1Error(`there are more than ${maxFields} header fields`, true)
    const name = text.slice(at, end)
    let start = end + 1
    while (isBlank(text.charCodeAt(start))) start++
    end = start
    while (VALUE[text.charCodeAt(end)] === 1) end++
    at = end
    while (end > start && isBlank(text.charCodeAt(end - 1))) end--
    if (at < text.length && !text.startsWith('\r\n', at)) throw new Http1Error('a header field is malformed')
    fields.push(name, text.slice(start, end))
    at += 2
  }
  return fields
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB
}
