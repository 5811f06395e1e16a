// Lines of text gathered as bytes. As strings, thousands that wait would be moved about at each collection of garbage and
// end in the old generation: a third of what a small request cost the edge.

const NEWLINE = 0x0a
/** UTF-8 for one UTF-16 unit, at most. */
const MAX_BYTES_A_CHAR = 3

export class Lines {
  private readonly buffer: Buffer
  private used = 0
  /** Lines gathered. */
  count = 0

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes)
  }

  /** Adds a line without a line break in it; false, and nothing has happened, when there may be no room for it. */
  add(line: string): boolean {
    if (this.used + line.length * MAX_BYTES_A_CHAR + 1 > this.buffer.length) return false
    this.used += this.buffer.write(line, this.used)
    this.buffer[this.used++] = NEWLINE
    this.count++
    return true
  }

  /** The lines as UTF-8, with line breaks between, and begins anew. */
  take(): Uint8Array {
    const taken = Uint8Array.prototype.slice.call(this.buffer, 0, Math.max(0, this.used - 1))
    this.used = 0
    this.count = 0
    return taken
  }
}
