// Lines of fields gathered as bytes, without a string or any other garbage for each. As strings, thousands that wait would be
// moved about at each collection of garbage and end in the old generation: a third of what a small request cost the edge.

const TAB = 0x09
const NEWLINE = 0x0a
const DIGIT_ZERO = 0x30
/** What comes after it is DEL, and what is not ASCII. */
const LAST_PLAIN = 0x7e
const FIRST_PRINTABLE = 0x20
/** UTF-8 for one UTF-16 unit, at most. */
const MAX_BYTES_A_CHAR = 3
/** Longer texts are cut. */
export const MAX_FIELD_CHARS = 300

/** A buffer of fixed size; `hasRoom` has to be asked before a line is added. */
export class Lines {
  private readonly buffer: Buffer
  private used = 0
  /** Lines gathered. */
  count = 0

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes)
  }

  /** Whether there is room for fields of so many characters together, tabs included, whatever they are; to be asked before. */
  hasRoom(chars: number): boolean {
    return this.used + chars * MAX_BYTES_A_CHAR <= this.buffer.length
  }

  /** The next field: text of which the first MAX_FIELD_CHARS count; control characters, which could end it early, become spaces. */
  text(text: string): void {
    const { buffer } = this
    const length = Math.min(text.length, MAX_FIELD_CHARS)
    let at = this.used
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index)
      if (code > LAST_PLAIN) {
        at = this.used + buffer.write(printable(text.slice(0, length)), this.used)
        break
      }
      buffer[at++] = code < FIRST_PRINTABLE ? FIRST_PRINTABLE : code
    }
    buffer[at] = TAB
    this.used = at + 1
  }

  /** The next field: a whole number, not below zero, in decimal. */
  number(value: number): void {
    const { buffer } = this
    let end = this.used + 1
    for (let power = 10; power <= value; power *= 10) end++
    buffer[end] = TAB
    this.used = end + 1
    let rest = value
    do {
      const tens = Math.floor(rest / 10)
      buffer[--end] = DIGIT_ZERO + (rest - tens * 10)
      rest = tens
    } while (rest > 0)
  }

  /** The line ends with the field that was last. */
  endLine(): void {
    this.buffer[this.used - 1] = NEWLINE
    this.count++
  }

  /** The lines as UTF-8, with line breaks between; starts again. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.buffer, 0, Math.max(0, this.used - 1))
    this.used = 0
    this.count = 0
    return taken
  }
}

/** Control characters as spaces, those after ASCII too (ECMA-48, C1): one of them, 0x9b, begins orders to a terminal as ESC [ does. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ')
}
