// The format of a backup: tar (POSIX.1-2001, "ustar"), of plain files alone. A reader believes nothing that it reads.
import { Failure } from '../failure.ts'

const BLOCK_BYTES = 512
/** Longest name in a header without extensions; ours are shorter. */
const MAX_NAME_BYTES = 100
const MAX_SIZE = 0o77777777777
const FILE_TYPES = ['0', '\0']

/** What a header says. */
export interface TarEntry {
  readonly name: string
  readonly size: number
}

/** The header of a file of mode 0600. `name`: ASCII, at most 100 characters; `size` below 8 GiB. */
export function tarHeader({ name, size }: TarEntry): Buffer {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES || size > MAX_SIZE) {
    throw new Failure('backup-invalid', `${name} (${size} bytes) is too long for a backup`, {
      cure: 'make the backup without the access log, or move the file out of the data directory',
    })
  }
  const header = Buffer.alloc(BLOCK_BYTES)
  header.write(name, 0, 'latin1')
  header.write('0000600\0', 100, 'latin1')
  header.write('0000000\0', 108, 'latin1')
  header.write('0000000\0', 116, 'latin1')
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write('00000000000\0', 136, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** What follows a file of that size, so that the next header begins at a block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES)
}

/** After the last file. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES)

/** Reads one header after another from bytes that may be anything. Whoever reads an entry takes its bytes before the next header. */
export class TarReader {
  private readonly source: AsyncIterator<Buffer>
  private left: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /** The next file; undefined at the end. Rejects with Failure `backup-invalid` for everything that is not a plain file. */
  async next(): Promise<TarEntry | undefined> {
    const header = await this.take(BLOCK_BYTES)
    if (header.every(byte => byte === 0)) return undefined
    const type = header.toString('latin1', 156, 157)
    const size = octalIn(header, 124, 12)
    if (octalIn(header, 148, 8) !== checksumOf(header)) throw damaged('a header has a wrong checksum')
    if (!FILE_TYPES.includes(type)) throw damaged(`an entry of type "${type}", where only files belong`)
    const name = header.toString('latin1', 0, MAX_NAME_BYTES).replace(/\0.*$/s, '')
    return { name, size }
  }

  /** The bytes of the entry, in pieces, and past its padding. */
  async *bytes(size: number): AsyncGenerator<Buffer> {
    for (let rest = size; rest > 0; ) {
      if (this.left.length === 0) await this.fill()
      const piece = this.left.subarray(0, rest)
      this.left = this.left.subarray(piece.length)
      rest -= piece.length
      yield piece
    }
    await this.take(tarPadding(size).length)
  }

  /** Whatever follows the last entry. */
  async *rest(): AsyncGenerator<Buffer> {
    yield this.left
    for (let next = await this.source.next(); next.done !== true; next = await this.source.next()) yield next.value
  }

  private async take(size: number): Promise<Buffer> {
    while (this.left.length < size) await this.fill()
    const taken = this.left.subarray(0, size)
    this.left = this.left.subarray(size)
    return taken
  }

  private async fill(): Promise<void> {
    const { value, done } = await this.source.next()
    if (done === true) throw damaged('it ends too early')
    this.left = this.left.length === 0 ? value : Buffer.concat([this.left, value])
  }
}

/** A backup that is not one, or not whole. */
export function damaged(why: string, cause?: unknown): Failure {
  return new Failure('backup-invalid', `the backup cannot be used: ${why}`, {
    cure: 'use another backup; nothing was changed',
    cause,
  })
}

function octalIn(header: Buffer, start: number, length: number): number {
  const text = header
    .toString('latin1', start, start + length)
    .replace(/\0.*$/s, '')
    .trim()
  if (!/^[0-7]{1,11}$/.test(text)) throw damaged('a header is not that of a tar file')
  return Number.parseInt(text, 8)
}

/** Of all bytes, those of the checksum taken for spaces. */
function checksumOf(header: Buffer): number {
  let sum = 0
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 32 : byte
  return sum
}
