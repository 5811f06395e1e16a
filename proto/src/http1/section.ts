// Gathers bytes until an empty line ends a section (a head, or trailers), however they are cut up.
import { Http1Error } from './fields.ts'

const LF = 0x0a
const CR = 0x0d
const EMPTY: Buffer = Buffer.alloc(0)
const END = Buffer.from('\r\n\r\n')

/** Keeps at most `maxBytes` of an unfinished section; after one section it can read the next. */
export class SectionReader {
  private readonly maxBytes: number
  /** What came so far, with room to grow: pieces of one octet must not cost a copy of everything each. */
  private kept = EMPTY
  private length = 0
  private rest = EMPTY

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Nothing has come. */
  get isEmpty(): boolean {
    return this.length === 0
  }

  /**
   * The section as latin1 without the CRLF CRLF behind it, undefined when more has to come. Throws Http1Error when it is
   * too large or has a line that ends without CR.
   */
  read(chunk: Buffer): string | undefined {
    const before = this.length
    const bytes = before === 0 ? chunk : this.keep(chunk)
    const end = bytes.indexOf(END, Math.max(0, before - 3))
    if ((end < 0 ? bytes.length - partOfEnd(bytes) : end) > this.maxBytes) {
      // What was wrong before it was too much is said first, also when both came at once.
      checkLines(bytes.subarray(0, this.maxBytes + 1), 0)
      throw new Http1Error(`the header section is larger than ${this.maxBytes} bytes`, true)
    }
    if (end < 0) {
      checkLines(bytes, before)
      if (before === 0) this.keep(chunk)
      return undefined
    }
    this.rest = bytes.subarray(end + 4)
    this.length = 0
    this.kept = EMPTY
    return bytes.toString('latin1', 0, end)
  }

  /** Bytes behind the section that `read` has returned. Not kept here: they would hold all that came with them. */
  takeRest(): Buffer {
    const { rest } = this
    this.rest = EMPTY
    return rest
  }

  private keep(chunk: Buffer): Buffer {
    const length = this.length + chunk.length
    if (length > this.kept.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, length, Math.min(2 * length, this.maxBytes + END.length)))
      this.kept.copy(larger, 0, 0, this.length)
      this.kept = larger
    }
    chunk.copy(this.kept, this.length)
    this.length = length
    return this.kept.subarray(0, length)
  }
}

/** How many octets at the end may be the beginning of what ends a section. */
function partOfEnd(bytes: Buffer): number {
  let length = END.length - 1
  while (!bytes.subarray(-length).equals(END.subarray(0, length)) && --length > 0);
  return length
}

/** A line that ends with LF alone would make the end be waited for in vain. */
function checkLines(bytes: Buffer, from: number): void {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) throw new Http1Error('a line ends without a carriage return')
  }
}
