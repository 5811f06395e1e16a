// What to do with bytes of a batch that have to wait.

/**
 * The same bytes for keeping: a copy when they are less than half of what they were cut from, since a piece that is kept
 * keeps the whole batch, and a channel that stands still gets its pieces in batches of others that do not.
 */
export function toKeep(chunk: Buffer): Buffer {
  return chunk.length * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk
}

/** The same bytes for writing to a stream: for keeping when they have to wait there behind others. */
export function toWrite(stream: { readonly writableLength: number }, chunk: Buffer): Buffer {
  return stream.writableLength > 0 ? toKeep(chunk) : chunk
}
