// Host names of other scripts: computers write them as xn--…, people read them in Unicode (RFC 3492, RFC 5891).

const [BASE, TMIN, TMAX, SKEW, DAMP, BIAS, FIRST] = [36, 1, 26, 38, 700, 72, 128] as const
const MAX_CODE_POINT = 0x10ffff

/** Each xn-- label as it is read; a label that decodes to nothing good stays as it is. */
export function readable(host: string): string {
  return host
    .split('.')
    .map(label => (/^xn--[a-z0-9-]+$/i.test(label) ? (decoded(label.slice(4)) ?? label) : label))
    .join('.')
}

/** Undefined for what is no Punycode. */
function decoded(input: string): string | undefined {
  const last = input.lastIndexOf('-')
  const output = last > 0 ? [...input.slice(0, last)].map(letter => letter.codePointAt(0) ?? 0) : []
  let [code, bias, index] = [FIRST as number, BIAS as number, 0]
  let at = last > 0 ? last + 1 : 0
  while (at < input.length) {
    const before = index
    for (let weight = 1, step = BASE as number; ; step += BASE) {
      const digit = digitOf(input.charCodeAt(at++))
      if (digit === undefined) return undefined
      index += digit * weight
      const threshold = step <= bias ? TMIN : step >= bias + TMAX ? TMAX : step - bias
      if (digit < threshold) break
      weight *= BASE - threshold
    }
    const length = output.length + 1
    bias = adapted(index - before, length, before === 0)
    code += Math.floor(index / length)
    if (code > MAX_CODE_POINT) return undefined
    index %= length
    output.splice(index++, 0, code)
  }
  return isSafe(output) ? String.fromCodePoint(...output) : undefined
}

function digitOf(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30 + 26
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a ? lower - 0x61 : undefined
}

function adapted(delta: number, length: number, isFirst: boolean): number {
  let rest = Math.floor(delta / (isFirst ? DAMP : 2))
  rest += Math.floor(rest / length)
  let bias = 0
  while (rest > ((BASE - TMIN) * TMAX) / 2) {
    rest = Math.floor(rest / (BASE - TMIN))
    bias += BASE
  }
  return bias + Math.floor(((BASE - TMIN + 1) * rest) / (rest + SKEW))
}

/** Letters, marks and digits of one script and no Latin look-alikes: what looks like another name stays as xn--. */
function isSafe(points: readonly number[]): boolean {
  const text = String.fromCodePoint(...points.filter(point => point <= MAX_CODE_POINT))
  if (!/^[\p{L}\p{M}\p{N}-]+$/u.test(text)) return false
  const scripts = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u].filter(script => script.test(text))
  const isOther = /[^\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]/u.test(text)
  // Cyrillic and Greek alone can spell Latin words (аррӏе): those stay as they are written.
  if (scripts.length > 1) return false
  if (/^[асеорхуіјѕһԁԛԝӏαοрνι\d-]+$/u.test(text) && isOther) return false
  return true
}

/** The same for each name within a sentence. What is to be typed, such as a DNS record, stays as it is. */
export function withReadable(text: string): string {
  return text.replace(/(?:[a-z0-9-]+\.)*xn--[a-z0-9-]+(?:\.[a-z0-9-]+)*/g, readable)
}

/** As computers write it (bücher: xn--bcher-kva); what is no name stays as it is. */
export function asciiName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  if (/^[\x00-\x7f]*$/.test(name)) return name
  return URL.parse(`http://${name}`)?.hostname || name
}
