// Writes DER (X.690), as much of it as a certificate has.

/** One encoded value: tag, length and content. */
export type Der = Buffer

const SEQUENCE = 0x30
const SET = 0x31

/** SEQUENCE of encoded values. */
export const sequence = (...parts: readonly Der[]): Der => tagged(SEQUENCE, ...parts)
/** SET of encoded values, in the order given: DER wants several of them sorted (X.690, 11.6). */
export const set = (...parts: readonly Der[]): Der => tagged(SET, ...parts)
/** BOOLEAN; true is 0xff (X.690, 11.1). */
export const boolean = (value: boolean): Der => tagged(0x01, Buffer.of(value ? 0xff : 0))
/** OCTET STRING of all parts together. */
export const octets = (...parts: readonly Der[]): Der => tagged(0x04, ...parts)
/** UTF8String. */
export const utf8 = (text: string): Der => tagged(0x0c, Buffer.from(text))

/** A whole number that is not negative, from its bytes, most significant first. */
export function integer(bytes: Buffer): Der {
  const first = bytes.findIndex(byte => byte !== 0)
  const digits = first === -1 ? Buffer.of(0) : bytes.subarray(first)
  // A leading bit of one would make it negative.
  return tagged(0x02, (digits[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0), digits)
}

/** Bits; the last `unused` ones of the last byte do not count. */
export function bits(bytes: Buffer, unused = 0): Der {
  return tagged(0x03, Buffer.of(unused), bytes)
}

/** An object identifier in dotted form. */
export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...others].flatMap(arc => {
    const septets = [arc & 0x7f]
    for (let rest = arc >> 7; rest > 0; rest >>= 7) septets.unshift((rest & 0x7f) | 0x80)
    return septets
  })
  return tagged(0x06, Buffer.from(bytes))
}

/** A moment, to the second. Two-digit years until 2049, as RFC 5280, 4.1.2.5 wants it. */
export function time(moment: Date): Der {
  const digits = `${moment.toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  return moment.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

/** A value under a number that the context gives it: explicit (around a whole value) or implicit (around its content). */
export const explicit = (number: number, ...parts: readonly Der[]): Der => tagged(0xa0 | number, ...parts)
/** In place of the value's own tag: `content` has neither tag nor length (X.690, 8.14). */
export const implicit = (number: number, content: Buffer): Der => tagged(0x80 | number, content)

function tagged(tag: number, ...parts: readonly Buffer[]): Der {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(tag), lengthOf(content), content])
}

function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.of(length)
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
}
